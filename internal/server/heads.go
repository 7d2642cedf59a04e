package server

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
)

// What two readers of one connection understand differently is how requests are
// smuggled past a proxy. net/http is as lenient as RFC 9112 allows: it takes a bare
// LF for a line's end (§2.2), unfolds continued lines (§5.2), and lets
// Transfer-Encoding override a Content-Length beside it (§6.3). The RFC allows to
// refuse all three as well, and so does this listener: it reads the heads of
// requests on their way in and spoils those, so that net/http answers 400 and
// closes.
//
// It guards connections without TLS, which are those that come from a proxy. A
// connection whose request had a chunked body is not read further (see lastChunked),
// so only lengths have to be counted here.

// strictListener reads the head of every request on its connections.
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

// strictConn hands on what it reads until it finds a fault in a head.
type strictConn struct {
	net.Conn
	head    headReader
	spoiled []byte // what is still to be read instead of the rest
	bad     bool
}

// spoil is no part of any head: net/http refuses it wherever it stands.
const spoil = "\x00 bad\r\n\r\n"

func (c *strictConn) Read(b []byte) (int, error) {
	if c.bad {
		if len(c.spoiled) == 0 {
			return 0, io.EOF
		}
		n := copy(b, c.spoiled)
		c.spoiled = c.spoiled[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	good := c.head.read(b[:n])
	if good == n {
		return n, err
	}
	c.bad, c.spoiled = true, []byte(spoil)
	if good > 0 {
		return good, nil
	}
	return c.Read(b)
}

// headReader follows the heads and bodies of one connection. Its zero value stands
// before the first request line.
type headReader struct {
	line    [64]byte // the beginning of the line under way: enough for the names that matter
	n       int      // how much of it is known
	long    bool     // the line is longer than that
	cr      bool     // its last byte so far is CR
	fields  bool     // the request line is over
	length  bool     // a Content-Length was there
	size    int64    // and this is what it said
	coded   bool     // a Transfer-Encoding was there
	body    int64    // bytes of the body that are to come, once the head is over
	endless bool     // a chunked body: nothing of interest comes any more
}

// read looks at the next bytes and returns how many of them are good.
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
				return i + end // without the LF, which net/http would take
			}
			i += end + 1
			continue
		}
		h.add(b[i:])
		break
	}
	return len(b)
}

// add notes a part of a line.
func (h *headReader) add(part []byte) {
	if len(part) == 0 {
		return
	}
	n := copy(h.line[h.n:], part)
	h.n += n
	h.long = h.long || n < len(part)
	h.cr = part[len(part)-1] == '\r'
}

// endLine judges the line that ends here.
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
		again := h.coded || h.length
		h.coded = true
		return !again
	}
	return true
}

func (h *headReader) contentLength(value []byte, long bool) bool {
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || long || h.length || h.coded {
		return false
	}
	h.length, h.size = true, int64(n)
	return true
}

// endHead goes on to the body. Empty lines before a request line are skipped
// (RFC 9112 §2.2).
func (h *headReader) endHead() bool {
	if h.fields {
		h.body, h.endless = h.size, h.coded
		h.fields, h.length, h.coded, h.size = false, false, false, 0
	}
	return true
}
