package passkey

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Anyone may register, and a signature is verified before anything else is known about its sender. These
// bounds keep a verification as cheap as that of a common key.
const (
	maxResponse   = 16 << 10
	maxKey        = 1 << 10 // bytes of a COSE_Key; one of RSA with 4096 bits has 530
	maxRSAModulus = 4096 / 8
)

func checkSize(response []byte) error {
	if len(response) > maxResponse {
		return refused(fmt.Errorf("it has %d bytes, more than %d", len(response), maxResponse))
	}
	return nil
}

// checkKey refuses a public key that is large, and one of RSA with an exponent that authenticators do not
// use.
func checkKey(key []byte) error {
	if len(key) > maxKey {
		return fmt.Errorf("its key has %d bytes, more than %d", len(key), maxKey)
	}
	parsed, err := webauthncose.ParsePublicKey(key)
	if err != nil {
		return fmt.Errorf("its key: %w", err)
	}
	if k, ok := parsed.(webauthncose.RSAPublicKeyData); ok {
		switch {
		case len(bytes.TrimLeft(k.Modulus, "\x00")) > maxRSAModulus:
			return errors.New("its RSA key has more than 4096 bits")
		case !bytes.Equal(bytes.TrimLeft(k.Exponent, "\x00"), []byte{1, 0, 1}):
			return errors.New("its RSA exponent is not 65537")
		}
	}
	return nil
}
