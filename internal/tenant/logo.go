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

// Bounds of a logo. They are looked at before anything is decoded: a small file can
// describe a picture that fills the memory.
const (
	maxLogoSide   = 2048
	maxLogoPixels = 1 << 20
)

// format decodes one kind of picture. whole reports whether the bytes end where the
// picture ends, so that nothing else travels behind it.
type format struct {
	config func(*bytes.Reader) (image.Config, error)
	decode func(*bytes.Reader) (image.Image, error)
	whole  func([]byte) bool
}

var formats = map[string]format{
	"image/png": {
		config: func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
		decode: func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
		whole:  func(b []byte) bool { return bytes.HasSuffix(b, []byte("\x00\x00\x00\x00IEND\xaeB`\x82")) },
	},
	"image/jpeg": {
		config: func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
		decode: func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		whole:  func(b []byte) bool { return bytes.HasSuffix(b, []byte("\xff\xd9")) },
	},
	"image/webp": {
		config: func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) },
		decode: func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) },
		whole:  func(b []byte) bool { return len(b) >= 8 && int(binary.LittleEndian.Uint32(b[4:])) == len(b)-8 },
	},
}

// checkLogo reports whether the logo, if there is one, is a picture as a whole. What it
// looks like by its first bytes, auth.CheckBranding says.
func checkLogo(b auth.Branding) error {
	raw, mediaType, err := b.LogoImage()
	if err != nil || raw == nil {
		return nil // said by CheckBranding
	}
	f := formats[mediaType]
	c, err := f.config(bytes.NewReader(raw))
	switch {
	case err != nil:
		return fmt.Errorf("branding.logo is not a whole %s", mediaType)
	case c.Width < 1 || c.Height < 1 || c.Width > maxLogoSide || c.Height > maxLogoSide || c.Width*c.Height > maxLogoPixels:
		return fmt.Errorf("branding.logo has %d × %d pixels: at most %d on a side and %d in all", c.Width, c.Height, maxLogoSide, maxLogoPixels)
	}
	if _, err := f.decode(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("branding.logo is not a whole %s", mediaType)
	}
	if !f.whole(raw) {
		return errors.New("branding.logo has other data behind the picture")
	}
	return nil
}
