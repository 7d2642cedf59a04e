package router

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/auth"
)

func tooLarge(most int64) *Problem {
	p := NewProblem(http.StatusRequestEntityTooLarge, auth.CodeBodyTooLarge, "body: at most "+strconv.FormatInt(most, 10)+" bytes")
	p.closeConn = true
	return p
}

// checkBody refuses a body that is compressed, has another media type or is too long by its
// Content-Length, before any of it is read. It ignores parameters of the media type: neither
// JSON nor forms have any (RFC 8259 §11, RFC 6749 appendix B).
func checkBody(r *http.Request, most int64, mediaTypes ...string) error {
	if err := checkEncoding(r, mediaTypes); err != nil {
		return err
	}
	if r.ContentLength > most {
		return tooLarge(most)
	}
	return nil
}

func checkEncoding(r *http.Request, mediaTypes []string) error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		// A few compressed bytes can expand to gigabytes.
		return unsupported("send the body without Content-Encoding")
	}
	contentType := r.Header["Content-Type"]
	if len(contentType) != 1 || !slices.Contains(mediaTypes, MediaType(contentType[0])) {
		return unsupported("send the body with Content-Type " + strings.Join(mediaTypes, " or "))
	}
	return nil
}

// MediaType returns the media type of a Content-Type header, without its parameters.
func MediaType(header string) string {
	media, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.Trim(media, " \t"))
}

func unsupported(detail string) *Problem {
	p := NewProblem(http.StatusUnsupportedMediaType, auth.CodeUnsupportedMediaType, detail)
	p.closeConn = true // the body was not read
	return p
}

// ReadJSON reads a JSON body. It refuses JSON that parsers may read differently.
func (ex *Exchange) ReadJSON(r *http.Request) ([]byte, error) {
	most := ex.router.cfg.BodyJSON
	if err := checkBody(r, most, "application/json"); err != nil {
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

// A small body is always read. Larger ones share a budget: otherwise some hundred slow senders of
// the largest body would hold all memory.
const (
	smallBody   = 16 << 10
	largeBodies = 32 << 20
)

// readAll reads a body of at most most bytes. When the exchange ends, it returns what the body took
// of the budget.
func (ex *Exchange) readAll(body io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, smallBody))
	if err != nil || len(b) < smallBody {
		return b, err
	}
	ex.large = most
	if ex.router.largeBytes.Add(most) > max(largeBodies, most) {
		p := NewProblem(http.StatusServiceUnavailable, auth.CodeUnavailable, "too many large bodies are being read right now; try again shortly")
		p.RetryAfter, p.closeConn = time.Second, true
		return nil, p
	}
	rest, err := io.ReadAll(body)
	return append(b, rest...), err
}

// FormBody reads the body of a form, without parsing it.
func (ex *Exchange) FormBody(r *http.Request) (string, error) {
	most := ex.router.cfg.BodyForm
	if err := checkBody(r, most, "application/x-www-form-urlencoded"); err != nil {
		return "", err
	}
	b, err := ex.readAll(http.MaxBytesReader(ex.ResponseWriter, r.Body, most), most)
	if err != nil {
		return "", readProblem(err)
	}
	return string(b), nil
}

// ReadForm reads and parses a form body into r.PostForm and r.Form. It ignores the query of the URL. A form
// that was read stays.
func (ex *Exchange) ReadForm(r *http.Request) error {
	if r.PostForm != nil {
		return nil
	}
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
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(e.Limit)
	}
	p := NewProblem(http.StatusBadRequest, auth.CodeMalformedBody, "the body could not be read")
	p.closeConn = true
	return p
}
