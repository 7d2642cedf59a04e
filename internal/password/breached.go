package password

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// A breached list is a text file in the form of Have I Been Pwned's downloader: the SHA-1 of each password
// in hex, one on each line, sorted by hash. Lines end in LF or CRLF. A colon and a count may follow each
// hash; case does not matter. The file has tens of gigabytes, so it stays on disk. A binary search takes
// about 35 small reads for a password.

const (
	hashLen  = 2 * sha1.Size
	maxCount = 12                     // digits
	maxLine  = hashLen + maxCount + 3 // with colon, CR and LF
	probes   = 256                    // lines checked when a list is opened
)

// Breached looks passwords up in a breached list. It is safe for concurrent use.
type Breached struct {
	r    io.ReaderAt
	size int64
	file *os.File // nil unless opened by OpenBreached
}

// OpenBreached opens the breached list at path and checks a sample: its first and last lines and some hundred
// lines between must be well formed and in order. The file must not change while it is open. To replace it,
// rename a new file over it and open that.
func OpenBreached(path string) (*Breached, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open breached list: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var b *Breached
	if err == nil {
		b, err = newBreached(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open breached list %s: %w", path, err)
	}
	b.file = f
	return b, nil
}

// newBreached is OpenBreached for a list of size bytes that r reads.
func newBreached(r io.ReaderAt, size int64) (*Breached, error) {
	b := &Breached{r: r, size: size}
	if size == 0 {
		return nil, errors.New("the list is empty")
	}
	previous, end := "", int64(0)
	for i := range int64(probes) {
		start, line, err := b.lineAt(size / probes * i)
		if err != nil {
			return nil, err
		}
		if start < end {
			continue // the same line as before
		}
		if line.hash <= previous {
			return nil, fmt.Errorf("not sorted by hash at byte %d", start)
		}
		previous, end = line.hash, line.end
	}
	start, line, err := b.lineAt(size - 1)
	if err != nil {
		return nil, err
	}
	if start >= end && line.hash <= previous {
		return nil, fmt.Errorf("not sorted by hash at byte %d", start)
	}
	return b, nil
}

// Close closes the file of OpenBreached.
func (b *Breached) Close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// Contains reports whether the list has pw, normalised. An error means that the list could not be read or is
// damaged; the password was not checked.
func (b *Breached) Contains(pw string) (bool, error) {
	sum := sha1.Sum([]byte(pw))
	want := strings.ToUpper(hex.EncodeToString(sum[:]))
	for low, high := int64(0), b.size; low < high; {
		start, line, err := b.lineAt(low + (high-low)/2)
		switch {
		case err != nil:
			return false, fmt.Errorf("search breached list: %w", err)
		case line.hash == want:
			return true, nil
		case line.hash < want:
			low = line.end
		default:
			high = start
		}
	}
	return false, nil
}

type breachedLine struct {
	hash string
	end  int64 // where the next line starts
}

// lineAt reads the line that contains the byte at offset.
func (b *Breached) lineAt(offset int64) (start int64, line breachedLine, err error) {
	var buf [2 * maxLine]byte
	from := max(offset-maxLine, 0)
	window := buf[:min(int64(len(buf)), b.size-from)]
	if n, err := b.r.ReadAt(window, from); n < len(window) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, line, err
	}
	start = from
	if i := bytes.LastIndexByte(window[:offset-from], '\n'); i >= 0 {
		start = from + int64(i) + 1
	} else if from > 0 {
		return 0, line, fmt.Errorf("line too long at byte %d", from)
	}
	text := window[start-from:]
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i+1]
	} else if start+int64(len(text)) < b.size {
		return 0, line, fmt.Errorf("line too long at byte %d", start)
	}
	hash, ok := parseBreached(text)
	if !ok {
		return 0, line, fmt.Errorf("not a line of 40 hexadecimal digits, optionally with :COUNT, at byte %d", start)
	}
	return start, breachedLine{hash: hash, end: start + int64(len(text))}, nil
}

// parseBreached reads one line, with or without its end.
func parseBreached(text []byte) (hash string, ok bool) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	if len(text) < hashLen {
		return "", false
	}
	hash, count := strings.ToUpper(string(text[:hashLen])), text[hashLen:]
	if !containsOnly(hash, "0123456789ABCDEF") || len(count) > 0 && !isCount(count) {
		return "", false
	}
	return hash, true
}

func isCount(text []byte) bool {
	return text[0] == ':' && len(text) > 1 && len(text) <= 1+maxCount && containsOnly(string(text[1:]), "0123456789")
}
