package account

import (
	"bytes"
	"encoding/binary"
	"image"
)

// upright returns a square image as the camera that wrote a JPEG file meant it (Exif 2.32 §4.6.4, Orientation).
// Phones store pictures as the sensor lies.
func upright(square *image.NRGBA, raw []byte) *image.NRGBA {
	n := square.Rect.Dx() - 1
	var from func(x, y int) (int, int)
	switch orientation(raw) {
	case 2:
		from = func(x, y int) (int, int) { return n - x, y }
	case 3:
		from = func(x, y int) (int, int) { return n - x, n - y }
	case 4:
		from = func(x, y int) (int, int) { return x, n - y }
	case 5:
		from = func(x, y int) (int, int) { return y, x }
	case 6:
		from = func(x, y int) (int, int) { return y, n - x }
	case 7:
		from = func(x, y int) (int, int) { return n - y, n - x }
	case 8:
		from = func(x, y int) (int, int) { return n - y, x }
	default:
		return square
	}
	out := image.NewNRGBA(square.Rect)
	for y := range n + 1 {
		for x := range n + 1 {
			out.SetNRGBA(x, y, square.NRGBAAt(from(x, y)))
		}
	}
	return out
}

// orientation returns the orientation in the Exif segment of a JPEG file, 0 without one.
func orientation(raw []byte) uint16 {
	for rest := raw[min(2, len(raw)):]; len(rest) >= 4 && rest[0] == 0xff && rest[1] >= 0xe0 && rest[1] <= 0xef; {
		size := int(binary.BigEndian.Uint16(rest[2:])) + 2
		if size > len(rest) {
			return 0
		}
		if tiff, ok := bytes.CutPrefix(rest[4:size], []byte("Exif\x00\x00")); ok && rest[1] == 0xe1 {
			return tiffOrientation(tiff)
		}
		rest = rest[size:]
	}
	return 0
}

// tiffOrientation reads the tag 0x0112 of the first directory.
func tiffOrientation(tiff []byte) uint16 {
	if len(tiff) < 8 {
		return 0
	}
	order := binary.ByteOrder(binary.BigEndian)
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 0x0112 {
			return order.Uint16(entries[8:])
		}
		entries = entries[12:]
	}
	return 0
}
