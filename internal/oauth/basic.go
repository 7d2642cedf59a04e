package oauth

import (
	"encoding/base64"
	"strings"
)

// ParseBasic parses an Authorization header of the scheme Basic. Both halves were form-encoded before they
// were joined (RFC 6749 §2.3.1).
func ParseBasic(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "basic") || len(header) > 8192 {
		return "", "", false
	}
	encoded = strings.TrimLeft(encoded, " ")
	if strings.ContainsAny(encoded, "\r\n") { // encoding/base64 skips these
		return "", "", false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	id, secret, found := strings.Cut(string(b), ":")
	if address, bare := strings.CutSuffix(string(b), ":"); bare && strings.HasPrefix(address, "https://") {
		id, secret = address, "" // a self-described client, which has no secret and does not encode its id
	}
	id, ok = unescape(id)
	secret, secretOK := unescape(secret)
	return id, secret, found && ok && secretOK && id != ""
}
