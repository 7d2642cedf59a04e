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
