package auth

import "time"

// Picture is the picture of an account, encoded by this server.
type Picture struct {
	Name      string // in its URL; a new picture has a new one, which cannot be guessed
	Account   AccountID
	Type      string // image/png or image/jpeg
	Bytes     []byte // at most MaxPictureBytes
	CreatedAt time.Time
}

// MaxPictureBytes is the largest size of a stored picture.
const MaxPictureBytes = 64 << 10
