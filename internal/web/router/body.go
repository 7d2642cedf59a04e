package router

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/auth"
)

func tooLarge() *Problem {
	p := NewProblem(http.StatusRequestEntityTooLarge, auth.CodeBodyTooLarge, "the body is larger than this call ever needs")
	p.hangUp = true
	return p
}

// checkBody refuses a body that is compressed, of another media type or too long by its
// header, before a byte of it is read. It ignores parameters of the media type: neither JSON
// nor forms have any (RFC 8259 §11, RFC 6749 appendix B).
func checkBody(r *http.Request, mediaType string, most int64) error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		// A few compressed bytes can expand to gigabytes.
		return unsupported("send the body without Content-Encoding")
	}
	if r.ContentLength > most {
		return tooLarge()
	}
	got := r.Header["Content-Type"]
	if len(got) != 1 {
		return unsupported("send the body as " + mediaType)
	}
	if MediaType(got[0]) != mediaType {
		return unsupported("send the body as " + mediaType)
	}
	return nil
}

// MediaType is the media type of a Content-Type header, without its parameters.
func MediaType(header string) string {
	media, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.Trim(media, " \t"))
}

func unsupported(detail string) *Problem {
	p := NewProblem(http.StatusUnsupportedMediaType, auth.CodeUnsupportedMediaType, detail)
	p.hangUp = true // the body was not read
	return p
}

// ReadJSON reads a whole body that every parser reads alike.
func (ex *Exchange) ReadJSON(r *http.Request) ([]byte, error) {
	most := ex.router.cfg.BodyJSON
	if err := checkBody(r, "application/json", most); err != nil {
		return nil, err
	}
	b, err := ex.readAll(http.MaxBytesReader(ex.ResponseWriter, r.Body, most), most)
	if err != nil {
		return nil, readProblem(err)
	}
	if err := checkJSON(b); err != nil {
		return nil, NewProblem(http.StatusBadRequest, auth.CodeMalformedJSON, err.Error())
	}
	return b, nil
}

// A body of the size that calls need is always read. Larger ones share a budget: some hundred
// slow senders of the largest body would otherwise hold all memory.
const (
	smallBody   = 16 << 10
	largeBodies = 32 << 20
)

// readAll reads a body of at most most bytes. The exchange returns what the body takes of
// the budget when it ends.
func (ex *Exchange) readAll(body io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, smallBody))
	if err != nil || len(b) < smallBody {
		return b, err
	}
	ex.large = most
	if ex.router.large.Add(most) > max(largeBodies, most) {
		p := NewProblem(http.StatusServiceUnavailable, auth.CodeUnavailable, "too many large bodies are being read right now; try again shortly")
		p.RetryAfter, p.hangUp = time.Second, true
		return nil, p
	}
	rest, err := io.ReadAll(body)
	return append(b, rest...), err
}

// FormBody reads the whole body of a form.
func (ex *Exchange) FormBody(r *http.Request) (string, error) {
	most := ex.router.cfg.BodyForm
	if err := checkBody(r, "application/x-www-form-urlencoded", most); err != nil {
		return "", err
	}
	b, err := ex.readAll(http.MaxBytesReader(ex.ResponseWriter, r.Body, most), most)
	if err != nil {
		return "", readProblem(err)
	}
	return string(b), nil
}

// ReadForm reads a form body; the query of the URL is no part of it.
func (ex *Exchange) ReadForm(r *http.Request) error {
	text, err := ex.FormBody(r)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(text)
	if err != nil || !validForm(form) {
		return NewProblem(http.StatusBadRequest, auth.CodeMalformedBody, "send the form in UTF-8, encoded as application/x-www-form-urlencoded")
	}
	r.PostForm, r.Form = form, form
	return nil
}

func validForm(form url.Values) bool {
	for name, values := range form {
		if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			return false
		}
	}
	return true
}

func readProblem(err error) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	p := NewProblem(http.StatusBadRequest, auth.CodeMalformedBody, "the body could not be read")
	p.hangUp = true
	return p
}
