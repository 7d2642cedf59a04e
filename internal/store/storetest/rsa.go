package storetest

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// rsaKeys are the keys of this process; generating one takes a large part of a second.
var rsaKeys struct {
	sync.Mutex
	made []*rsa.PrivateKey // owned by the mutex
}

// RSAKeys returns a function that returns a different key at each call. All functions return
// the same keys in the same order, so each database needs one of its own.
func RSAKeys() func() (*rsa.PrivateKey, error) {
	n := 0 // owned by the mutex
	return func() (*rsa.PrivateKey, error) {
		rsaKeys.Lock()
		defer rsaKeys.Unlock()
		if n == len(rsaKeys.made) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return nil, err
			}
			rsaKeys.made = append(rsaKeys.made, key)
		}
		n++
		return rsaKeys.made[n-1], nil
	}
}
