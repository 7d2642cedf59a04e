package tenant

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

// webpDot is a lossless WebP of one pixel.
const webpDot = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

// HT-13: a logo is accepted if it decodes completely, after its dimensions are checked. Its first
// bytes do not suffice.
func TestRepair_H8_LogoIsAWholePicture(t *testing.T) {
	t.Parallel()
	var asPNG, asJPEG bytes.Buffer
	dot := image.NewRGBA(image.Rect(0, 0, 40, 20))
	if err := png.Encode(&asPNG, dot); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, dot, nil); err != nil {
		t.Fatal(err)
	}
	asWebP, err := base64.StdEncoding.DecodeString(webpDot)
	if err != nil {
		t.Fatal(err)
	}
	html := "<script>alert(1)</script>"
	for name, tt := range map[string]struct {
		raw  []byte
		want string
	}{
		"png":                {asPNG.Bytes(), ""},
		"jpeg":               {asJPEG.Bytes(), ""},
		"webp":               {asWebP, ""},
		"png by its head":    {[]byte("\x89PNG\r\n\x1a\n" + html), "want a complete image/png"},
		"jpeg by its head":   {[]byte("\xff\xd8\xff\xe0" + html), "want a complete image/jpeg"},
		"webp by its head":   {[]byte("RIFF\x10\x00\x00\x00WEBPVP8 " + html), "want a complete image/webp"},
		"half a png":         {asPNG.Bytes()[:asPNG.Len()/2], "want a complete image/png"},
		"half a jpeg":        {asJPEG.Bytes()[:asJPEG.Len()*3/4], "want a complete image/jpeg"},
		"png and a page":     {append(bytes.Clone(asPNG.Bytes()), html...), "want no data after the image"},
		"jpeg and a page":    {append(bytes.Clone(asJPEG.Bytes()), html...), "want no data after the image"},
		"webp and a page":    {append(bytes.Clone(asWebP), html...), "want no data after the image"},
		"a bomb of a png":    {resized(asPNG.Bytes(), 50_000, 50_000), "50000 × 50000 pixels"},
		"a thin, long png":   {resized(asPNG.Bytes(), 1, 4096), "1 × 4096 pixels"},
		"a png of no pixels": {resized(asPNG.Bytes(), 0, 1), "want a complete image/png"},
	} {
		err := checkLogo(auth.Branding{Logo: base64.StdEncoding.EncodeToString(tt.raw)})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
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

func FuzzLogo(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	raw, _ := base64.StdEncoding.DecodeString(webpDot)
	f.Add(raw)
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = checkLogo(auth.Branding{Logo: base64.StdEncoding.EncodeToString(raw)})
	})
}
