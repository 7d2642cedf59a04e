package password

import (
	"crypto/sha512"
	"encoding/base64"
	"strings"
)

// flaskPrefix marks a stored hash that Flask-Security made of base64(HMAC-SHA512(SECURITY_PASSWORD_SALT,
// password)) instead of the password. The importer adds it, since in Flask's own database such a hash looks
// like a plain one.
const flaskPrefix = "flask-security"

// FlaskSecurity returns inner marked as double-hashed under the named salt of
// Config.FlaskSalts; the usual name is "".
func FlaskSecurity(name, inner string) string {
	if name == "" {
		return flaskPrefix + "$" + inner
	}
	return flaskPrefix + ":" + name + "$" + inner
}

// parseFlask reads "$inner" or ":name$inner".
func parseFlask(rest string, lim limits) (digest, error) {
	name, inner, ok := strings.Cut(rest, "$")
	if !ok || name == ":" {
		return digest{scheme: flaskPrefix}, ErrMalformedHash
	}
	d, err := parsePlain(inner, lim)
	cut := d.scheme == "bcrypt"
	d.scheme = strings.TrimSuffix(flaskPrefix+"-"+d.scheme, "-")
	d.argon2id = Params{}
	if err != nil {
		return d, err
	}
	salt, ok := lim.flaskSalts[strings.TrimPrefix(name, ":")]
	if !ok || salt == "" {
		return digest{scheme: d.scheme}, ErrNoSalt
	}
	match := d.match
	d.forms = flaskForms
	d.match = func(pw string) bool {
		signed := base64.StdEncoding.EncodeToString(computeHMAC(sha512.New, []byte(salt), pw))
		if cut {
			// bcrypt reads the first 72 of 88 characters, as in Flask-Security: 432 bits of HMAC, so no two passwords
			// collide.
			signed = signed[:bcryptMax]
		}
		return match(signed)
	}
	return d, nil
}
