package server

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Requests are smuggled past a proxy where proxy and server parse a connection differently.
// net/http is as lenient as RFC 9112 allows: it accepts a bare LF as a line ending (§2.2),
// unfolds continued lines (§5.2), and lets Transfer-Encoding override Content-Length (§6.3). The
// RFC also allows refusing all three, as this listener does: it parses the head of each request
// as it is read, and replaces the rest of a refused one by bytes to which net/http responds with
// 400.
//
// It is for connections without TLS, which come from a proxy. A connection is closed after a
// request with a chunked body (see lastChunked), so only Content-Length has to be counted.

// strictListener checks the head of every request on its connections.
type strictListener struct{ net.Listener }

func (l strictListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: c}, nil
}

// lastChunked makes a request with a chunked body the last one of its connection.
func lastChunked(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// strictConn passes on what it reads until it finds a fault in a head.
type strictConn struct {
	net.Conn
	head        headReader
	replacement []byte // the unread part of invalidRequest
	faulty      bool
}

// invalidRequest is invalid in a head at any position, so net/http refuses it.
const invalidRequest = "\x00 bad\r\n\r\n"

func (c *strictConn) Read(b []byte) (int, error) {
	if c.faulty {
		if len(c.replacement) == 0 {
			return 0, io.EOF
		}
		n := copy(b, c.replacement)
		c.replacement = c.replacement[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	valid := c.head.read(b[:n])
	if valid == n {
		return n, err
	}
	c.faulty, c.replacement = true, []byte(invalidRequest)
	if valid > 0 {
		return valid, nil
	}
	return c.Read(b)
}

// headReader parses the heads and skips the bodies of one connection. Its zero value is before
// the first request line.
type headReader struct {
	line    [64]byte // the beginning of the current line: enough for the names that matter
	n       int      // number of bytes in line
	long    bool     // the line is longer
	cr      bool     // the last byte of the line is CR
	fields  bool     // the request line has ended
	length  bool     // there was a Content-Length
	size    int64    // its value
	encoded bool     // there was a Transfer-Encoding
	body    int64    // remaining bytes of the body, after the head
	endless bool     // a chunked body, the last of the connection
}

// read parses the next bytes and returns how many of them are valid.
func (h *headReader) read(b []byte) int {
	for i := 0; i < len(b); {
		if h.endless {
			return len(b)
		}
		if h.body > 0 {
			skip := min(h.body, int64(len(b)-i))
			h.body -= skip
			i += int(skip)
			continue
		}
		if end := bytes.IndexByte(b[i:], '\n'); end >= 0 {
			h.add(b[i : i+end])
			if !h.endLine() {
				return i + end // without the LF, which net/http would accept
			}
			i += end + 1
			continue
		}
		h.add(b[i:])
		break
	}
	return len(b)
}

// add adds a part of the current line.
func (h *headReader) add(part []byte) {
	if len(part) == 0 {
		return
	}
	n := copy(h.line[h.n:], part)
	h.n += n
	h.long = h.long || n < len(part)
	h.cr = part[len(part)-1] == '\r'
}

// endLine checks the current line at its end.
func (h *headReader) endLine() bool {
	line, long, cr := h.line[:h.n], h.long, h.cr
	h.n, h.long, h.cr = 0, false, false
	switch {
	case !cr:
		return false
	case len(line) == 1 && !long: // nothing but CR
		return h.endHead()
	case !h.fields:
		h.fields = true
		return true
	case line[0] == ' ' || line[0] == '\t':
		return false
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		return h.contentLength(bytes.Trim(value, " \t\r"), long)
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		conflict := h.encoded || h.length
		h.encoded = true
		return !conflict
	}
	return true
}

func (h *headReader) contentLength(value []byte, long bool) bool {
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || long || h.length || h.encoded {
		return false
	}
	h.length, h.size = true, int64(n)
	return true
}

// endHead continues with the body. Empty lines before a request line are skipped (RFC 9112 §2.2).
func (h *headReader) endHead() bool {
	if h.fields {
		h.body, h.endless = h.size, h.encoded
		h.fields, h.length, h.encoded, h.size = false, false, false, 0
	}
	return true
}
