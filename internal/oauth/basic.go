package oauth

import (
	"encoding/base64"
	"strings"
)

// ParseBasic reads the value of an Authorization header of the scheme Basic. As RFC
// 6749 §2.3.1 says, both halves were form-encoded before they were joined.
func ParseBasic(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "basic") || len(header) > 8192 {
		return "", "", false
	}
	encoded = strings.TrimLeft(encoded, " ")
	if strings.ContainsAny(encoded, "\r\n") { // which encoding/base64 skips
		return "", "", false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	id, secret, found := strings.Cut(string(b), ":")
	if address, bare := strings.CutSuffix(string(b), ":"); bare && strings.HasPrefix(address, "https://") {
		id, secret = address, "" // of a client with a document, which has no secret, not encoded
	}
	id, ok = unescape(id)
	secret, also := unescape(secret)
	return id, secret, found && ok && also && id != ""
}
