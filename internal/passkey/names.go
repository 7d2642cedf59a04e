package passkey

import (
	_ "embed"
	"encoding/hex"
	"strings"
	"sync"
)

// aaguids is a list of lines "AAGUID name"; "#" begins a comment.
//
//go:embed aaguids.txt
var aaguids string

var names = sync.OnceValue(func() map[string]string {
	out := make(map[string]string, 256)
	for line := range strings.Lines(aaguids) {
		key, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		id, err := hex.DecodeString(strings.ReplaceAll(key, "-", ""))
		if ok && err == nil {
			out[string(id)] = name
		}
	}
	return out
})

// Name returns the name of the authenticator model, such as "iCloud Keychain"; empty for one that is
// not known. The authenticator reports the model itself, so the name is no proof.
func Name(aaguid []byte) string { return names()[string(aaguid)] }
