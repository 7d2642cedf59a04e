package account

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// The bounds of a picture that is decoded. The size and the scans are checked before: a small file can
// describe an image that exhausts memory, and one with thousands of progressive scans takes minutes.
const (
	maxPictureSide  = 4096
	maxPictureScans = 64
	pictureSide     = 256 // of the stored picture, at most
)

// SetPicture replaces the picture of an account by a PNG or JPEG image, which it crops to a square and
// encodes again: nothing else of the file is kept. The account's former picture is gone. Refusals:
// picture_invalid, not_found.
func (s *Service) SetPicture(ctx context.Context, tenant auth.TenantID, id auth.AccountID, raw []byte, actor auth.Actor) error {
	mediaType, encoded, err := s.encodePicture(ctx, raw)
	if err != nil {
		return err
	}
	return s.writePicture(ctx, tenant, auth.Picture{Name: secret.Encode(secret.Bytes(16)), Account: id, Type: mediaType, Bytes: encoded}, actor)
}

// encodePicture encodes one picture at a time: decoded, the largest takes 250 MB.
func (s *Service) encodePicture(ctx context.Context, raw []byte) (mediaType string, encoded []byte, err error) {
	select {
	case s.pictures <- struct{}{}:
		defer func() { <-s.pictures }()
	case <-ctx.Done():
		return "", nil, auth.Unavailable(ctx.Err(), unavailableRetry)
	}
	return encodePicture(raw)
}

// RemovePicture removes the picture of an account, if it has one. Refusals: not_found.
func (s *Service) RemovePicture(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) error {
	return s.writePicture(ctx, tenant, auth.Picture{Account: id}, actor)
}

func (s *Service) writePicture(ctx context.Context, tenant auth.TenantID, p auth.Picture, actor auth.Actor) error {
	err := session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) error {
		a, err := tx.Account(p.Account)
		if err != nil || p.Name == "" && a.Picture == "" {
			return err
		}
		p.CreatedAt = tx.Now
		if err := tx.SetPicture(p); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventProfileChanged, Actor: actor, Account: p.Account, Detail: map[string]string{"field": "picture"}})
	})
	return mapNotFound("change picture", err)
}

// Picture returns a picture by its name. Refusals: not_found.
func (s *Service) Picture(ctx context.Context, tenant auth.TenantID, name string) (p auth.Picture, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		p, err = tx.Picture(name)
		return err
	})
	return p, mapNotFound("read picture", err)
}

func errPicture(want string) error {
	return auth.Invalid(auth.CodePictureInvalid, "picture", "want "+want)
}

// encodePicture decodes an image and encodes a square from its middle, at most 256 pixels wide. A PNG
// stays one, which keeps its transparency, unless it would be too large.
func encodePicture(raw []byte) (mediaType string, encoded []byte, err error) {
	m, mediaType, err := decodePicture(raw)
	if err != nil {
		return "", nil, err
	}
	b := m.Bounds()
	side := min(b.Dx(), b.Dy())
	from := image.Rect(0, 0, side, side).Add(b.Min).Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	square := image.NewNRGBA(image.Rect(0, 0, min(side, pictureSide), min(side, pictureSide)))
	draw.BiLinear.Scale(square, square.Rect, m, from, draw.Src, nil)
	if mediaType == "image/jpeg" {
		square = upright(square, raw)
	}
	var out bytes.Buffer
	if mediaType == "image/png" {
		if err := png.Encode(&out, square); err != nil || out.Len() <= auth.MaxPictureBytes {
			return mediaType, out.Bytes(), err
		}
	}
	opaque := image.NewRGBA(square.Rect)
	draw.Draw(opaque, opaque.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(opaque, opaque.Rect, square, image.Point{}, draw.Over)
	for _, quality := range []int{88, 70, 40} { // noise at 40 takes 40 KiB
		out.Reset()
		if err := jpeg.Encode(&out, opaque, &jpeg.Options{Quality: quality}); err != nil || out.Len() <= auth.MaxPictureBytes {
			return "image/jpeg", out.Bytes(), err
		}
	}
	return "", nil, fmt.Errorf("encode picture: %d bytes", out.Len())
}

// decodePicture decodes a PNG or JPEG image and returns its media type.
func decodePicture(raw []byte) (m image.Image, mediaType string, err error) {
	config, decode := png.DecodeConfig, png.Decode
	switch {
	case bytes.HasPrefix(raw, []byte("\x89PNG\r\n\x1a\n")):
		mediaType = "image/png"
	case bytes.HasPrefix(raw, []byte("\xff\xd8\xff")):
		config, decode, mediaType = jpeg.DecodeConfig, jpeg.Decode, "image/jpeg"
	default:
		return nil, "", errPicture("a PNG or JPEG image")
	}
	c, err := config(bytes.NewReader(raw))
	switch {
	case err != nil || c.Width < 1 || c.Height < 1:
		return nil, "", errPicture("a complete " + mediaType)
	case c.Width > maxPictureSide || c.Height > maxPictureSide:
		return nil, "", errPicture(fmt.Sprintf("at most %d × %d pixels, not %d × %d", maxPictureSide, maxPictureSide, c.Width, c.Height))
	case mediaType == "image/jpeg" && bytes.Count(raw, []byte("\xff\xda")) > maxPictureScans:
		return nil, "", errPicture(fmt.Sprintf("at most %d scans", maxPictureScans))
	}
	if m, err = decode(bytes.NewReader(raw)); err != nil {
		return nil, "", errPicture("a complete " + mediaType)
	}
	return m, mediaType, nil
}
