package account

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

// halves returns an image of the size, red on the left and blue on the right.
func halves(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{R: 255, A: 255}
			if x >= width/2 {
				c = color.NRGBA{B: 255, A: 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withOrientation returns a JPEG file with an Exif segment behind another one.
func withOrientation(raw []byte, order binary.ByteOrder, value uint16) []byte {
	mark := map[binary.ByteOrder]string{binary.BigEndian: "MM", binary.LittleEndian: "II"}[order]
	tiff := make([]byte, 8+2+2*12)
	copy(tiff, mark)
	order.PutUint16(tiff[2:], 42)
	order.PutUint32(tiff[4:], 8)
	order.PutUint16(tiff[8:], 2)
	order.PutUint16(tiff[10:], 0x010f) // the maker comes first
	order.PutUint16(tiff[22:], 0x0112)
	order.PutUint16(tiff[24:], 3) // SHORT
	order.PutUint32(tiff[26:], 1)
	order.PutUint16(tiff[30:], value)
	exif := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, raw[:2]...)
	out = append(out, 0xff, 0xe0, 0, 4, 'x', 'x', 0xff, 0xe1)
	out = append(binary.BigEndian.AppendUint16(out, uint16(len(exif)+2)), exif...)
	return append(out, raw[2:]...)
}

// A picture stands as the phone was held.
func TestPicturesStandUpright(t *testing.T) {
	t.Parallel()
	colors := map[byte]color.NRGBA{'R': {R: 255, A: 255}, 'G': {G: 255, A: 255}, 'B': {B: 255, A: 255}, 'W': {R: 255, G: 255, B: 255, A: 255}}
	m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			m.SetNRGBA(x, y, colors["RGBW"[x/32+y/32*2]])
		}
	}
	raw := asJPEG(t, m)
	for value, want := range map[uint16]string{0: "RGBW", 1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB", 9: "RGBW"} {
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			_, encoded, err := encodePicture(withOrientation(raw, order, value))
			if err != nil {
				t.Fatal(err)
			}
			got, err := jpeg.Decode(bytes.NewReader(encoded))
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, at := range []image.Point{{8, 8}, {56, 8}, {8, 56}, {56, 56}} {
				r, g, b, _ := got.At(at.X, at.Y).RGBA()
				switch {
				case r > 1<<15 && g > 1<<15:
					text += "W"
				case r > 1<<15:
					text += "R"
				case g > 1<<15:
					text += "G"
				case b > 1<<15:
					text += "B"
				}
			}
			if text != want {
				t.Errorf("orientation %d, %v: %s, want %s", value, order, text, want)
			}
		}
	}
	whole := withOrientation(raw, binary.BigEndian, 6)
	for n := range 80 { // cut anywhere in the segments, it has no orientation or that one
		if got := orientation(whole[:n]); got != 0 && got != 6 {
			t.Errorf("of %d bytes: %d", n, got)
		}
	}
}

// A picture is cropped to a square from the middle, scaled down and never up.
func TestPicturesAreSquares(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		width, height, side int
	}{{600, 300, 256}, {300, 600, 256}, {40, 20, 20}, {1, 1, 1}, {4096, 1, 1}} {
		for media, raw := range map[string][]byte{"image/png": asPNG(t, halves(tt.width, tt.height)), "image/jpeg": asJPEG(t, halves(tt.width, tt.height))} {
			got, encoded, err := encodePicture(raw)
			if err != nil || got != media {
				t.Fatalf("%d × %d: %q, %v", tt.width, tt.height, got, err)
			}
			m, format, err := image.Decode(bytes.NewReader(encoded))
			if err != nil || "image/"+format != media || m.Bounds().Size() != image.Pt(tt.side, tt.side) {
				t.Fatalf("%d × %d: a %s of %v, %v", tt.width, tt.height, format, m.Bounds(), err)
			}
			if r, _, b, _ := m.At(tt.side/4, tt.side/2).RGBA(); tt.side > 1 && (r < 0xd000 || b > 0x3000) {
				t.Errorf("%s of %d × %d: left of the middle are red %x, blue %x", media, tt.width, tt.height, r, b)
			}
		}
	}
}

// Noise, which does not compress, is stored within the bound.
func TestPicturesAreSmall(t *testing.T) {
	t.Parallel()
	m, x := image.NewNRGBA(image.Rect(0, 0, 256, 256)), uint32(1)
	for i := range m.Pix {
		x = x*1664525 + 1013904223
		m.Pix[i] = byte(x >> 24)
	}
	media, encoded, err := encodePicture(asPNG(t, m))
	if err != nil || media != "image/jpeg" || len(encoded) > auth.MaxPictureBytes {
		t.Errorf("%s of %d bytes, %v", media, len(encoded), err)
	}
}

// TestAttack_HT_13_Pictures: what is no image is refused, and of an image nothing but its pixels is kept.
func TestAttack_HT_13_Pictures(t *testing.T) {
	t.Parallel()
	const page = "<script>alert(1)</script>"
	comment := append([]byte("\xff\xfe\x00\x1b"), page...) // of JPEG: a length of 27
	whole := asJPEG(t, halves(40, 20))
	head := asPNG(t, halves(40, 20))
	for name, tt := range map[string]struct {
		raw  []byte
		want string // of the refusal; empty for none
	}{
		"png and a page":        {append(bytes.Clone(head), page...), ""},
		"jpeg and a page":       {append(bytes.Clone(whole), page...), ""},
		"jpeg with a comment":   {bytes.Join([][]byte{whole[:2], comment, whole[2:]}, nil), ""},
		"nothing":               {nil, "a PNG or JPEG image"},
		"svg":                   {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "a PNG or JPEG image"},
		"html":                  {[]byte("<!doctype html>" + page), "a PNG or JPEG image"},
		"gif":                   {[]byte("GIF89a/*" + page), "a PNG or JPEG image"},
		"png by its head":       {[]byte("\x89PNG\r\n\x1a\n" + page), "a complete image/png"},
		"jpeg by its head":      {[]byte("\xff\xd8\xff\xe0" + page), "a complete image/jpeg"},
		"half a png":            {head[:len(head)/2], "a complete image/png"},
		"a png of a gigapixel":  {resized(head, 50_000, 50_000), "at most 4096 × 4096 pixels, not 50000 × 50000"},
		"a png one row too big": {resized(head, 1, 4097), "at most 4096 × 4096 pixels"},
		"a jpeg of many scans":  {append(bytes.Clone(whole), bytes.Repeat([]byte("\xff\xda"), 64)...), "at most 64 scans"},
	} {
		_, encoded, err := encodePicture(tt.raw)
		e, _ := errors.AsType[*auth.Error](err)
		if tt.want == "" && err != nil || tt.want != "" && (e == nil || e.Code != auth.CodePictureInvalid || !strings.Contains(e.Msg, tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if bytes.Contains(encoded, []byte("script")) {
			t.Errorf("%s is kept", name)
		}
	}
}

func FuzzPicture(f *testing.F) {
	f.Add(asPNG(f, halves(9, 4)))
	f.Add(asJPEG(f, halves(9, 4)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		media, encoded, err := encodePicture(raw)
		if err != nil {
			return
		}
		c, format, err := image.DecodeConfig(bytes.NewReader(encoded))
		if err != nil || "image/"+format != media || c.Width != c.Height || c.Width > pictureSide || len(encoded) > auth.MaxPictureBytes {
			t.Errorf("%s: %s of %d × %d in %d bytes, %v", media, format, c.Width, c.Height, len(encoded), err)
		}
	})
}

func BenchmarkLargestPicture(b *testing.B) {
	raw := asJPEG(b, image.NewNRGBA(image.Rect(0, 0, 4096, 4096)))
	for b.Loop() {
		if _, _, err := encodePicture(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// resized returns a copy of the PNG that claims other dimensions.
func resized(raw []byte, width, height uint32) []byte {
	out := bytes.Clone(raw)
	binary.BigEndian.PutUint32(out[16:], width)
	binary.BigEndian.PutUint32(out[20:], height)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}
