package router

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"

	"github.com/watchword-auth/watchword/internal/auth"
)

const (
	// maxUpload bounds a body that is a file or has one. Most pictures of phones are smaller.
	maxUpload = 4 << 20
	// maxDrain bounds how much is read of a form that is too large. Browsers show no response before they
	// have sent the whole form.
	maxDrain = 32 << 20
	// maxParts bounds the parts of a form with a file.
	maxParts = 8
)

// ReadFile reads a body of one of the media types, of at most 4 MiB.
func (ex *Exchange) ReadFile(r *http.Request, mediaTypes ...string) ([]byte, error) {
	if err := checkBody(r, maxUpload, mediaTypes...); err != nil {
		return nil, err
	}
	b, err := ex.readAll(http.MaxBytesReader(ex.ResponseWriter, r.Body, maxUpload), maxUpload)
	if err != nil {
		return nil, readProblem(err)
	}
	return b, nil
}

// ReadUpload reads a form with one file (RFC 7578) of at most 4 MiB, which it keeps in memory: the file as
// ex.Upload, the fields as ReadForm does.
func (ex *Exchange) ReadUpload(r *http.Request) error {
	if err := checkEncoding(r, []string{"multipart/form-data"}); err != nil {
		return err
	}
	body, err := ex.readUpload(r)
	if err != nil {
		return err
	}
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // without a boundary there is no part
	form, file, err := parseUpload(body, params["boundary"])
	if err != nil || !validForm(form) {
		return NewProblem(http.StatusBadRequest, auth.CodeMalformedBody, "send the form as multipart/form-data with one file")
	}
	ex.Upload, r.PostForm, r.Form = file, form, form
	return nil
}

func (ex *Exchange) readUpload(r *http.Request) ([]byte, error) {
	var body []byte
	var err error
	if r.ContentLength <= maxUpload {
		if body, err = ex.readAll(io.LimitReader(r.Body, maxUpload+1), maxUpload); err != nil {
			return nil, readProblem(err)
		}
	}
	if len(body) > maxUpload || r.ContentLength > maxUpload {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // the request is refused in any case
		return nil, tooLarge(maxUpload)
	}
	return body, nil
}

// parseUpload returns the fields of a form and its file, nil without one.
func parseUpload(body []byte, boundary string) (form url.Values, file []byte, err error) {
	form = url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return form, file, nil
		}
		if err != nil {
			return nil, nil, err
		}
		content, err := io.ReadAll(part)
		isFile := part.FileName() != ""
		switch {
		case err != nil:
			return nil, nil, err
		case n == maxParts || isFile && file != nil:
			return nil, nil, multipart.ErrMessageTooLarge
		case isFile:
			file = content
		default:
			form.Add(part.FormName(), string(content))
		}
	}
}
