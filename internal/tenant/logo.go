package tenant

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The largest logo. Its size is checked before it is decoded: a small file can describe an image
// that exhausts memory.
const (
	maxLogoSide   = 2048
	maxLogoPixels = 1 << 20
)

// format decodes one image format. complete reports whether the bytes end with the image, so that
// no other data is appended.
type format struct {
	config   func(*bytes.Reader) (image.Config, error)
	decode   func(*bytes.Reader) (image.Image, error)
	complete func([]byte) bool
}

var formats = map[string]format{
	"image/png": {
		config:   func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
		decode:   func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
		complete: func(b []byte) bool { return bytes.HasSuffix(b, []byte("\x00\x00\x00\x00IEND\xaeB`\x82")) },
	},
	"image/jpeg": {
		config:   func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
		decode:   func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		complete: func(b []byte) bool { return bytes.HasSuffix(b, []byte("\xff\xd9")) },
	},
	"image/webp": {
		config:   func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) },
		decode:   func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) },
		complete: func(b []byte) bool { return len(b) >= 8 && int(binary.LittleEndian.Uint32(b[4:])) == len(b)-8 },
	},
}

// checkLogo returns an error when the logo is not a complete image. auth.CheckBranding checks its
// size in bytes and its media type.
func checkLogo(b auth.Branding) error {
	raw, mediaType, err := b.LogoImage()
	if err != nil || raw == nil {
		return nil // reported by CheckBranding
	}
	f := formats[mediaType]
	c, err := f.config(bytes.NewReader(raw))
	switch {
	case err != nil:
		return fmt.Errorf("branding.logo: want a complete %s image", mediaType)
	case c.Width < 1 || c.Height < 1 || c.Width > maxLogoSide || c.Height > maxLogoSide || c.Width*c.Height > maxLogoPixels:
		return fmt.Errorf("branding.logo: %d × %d pixels, want at most %d on a side and %d in total", c.Width, c.Height, maxLogoSide, maxLogoPixels)
	}
	if _, err := f.decode(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("branding.logo: want a complete %s image", mediaType)
	}
	if !f.complete(raw) {
		return errors.New("branding.logo: want no data after the image")
	}
	return nil
}
