package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// load is one measurement: clients that send requests as fast as they get responses.
type load struct {
	addr    string
	clients int
	span    time.Duration
	limit   int                                // maximum requests of each client; 0: as many as the time allows
	next    func(client, n int) []byte         // the request to send
	check   func(client int, r response) error // checks each response; nil: the status must be 200
}

// response is a response.
type response struct {
	status   int
	body     []byte
	took     time.Duration
	location string // target of a redirect
}

// result is the result of a load.
type result struct {
	requests int
	failed   int
	firstErr error
	took     time.Duration
	times    []time.Duration // sorted
}

func (r result) rate() float64 { return float64(r.requests) / r.took.Seconds() }

// quantile returns a quantile of the response times, q in 0..1.
func (r result) quantile(q float64) time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	return r.times[min(len(r.times)-1, int(q*float64(len(r.times))))]
}

// run sends requests until the time is over. Every client has its own connection.
func (l load) run() result {
	var mu sync.Mutex
	var total result
	var wg sync.WaitGroup
	start := time.Now()
	for client := range l.clients {
		wg.Go(func() {
			times, failed, err := l.client(client, start.Add(l.span))
			mu.Lock()
			defer mu.Unlock()
			total.times = append(total.times, times...)
			total.failed += failed
			if total.firstErr == nil {
				total.firstErr = err
			}
		})
	}
	wg.Wait()
	total.took = time.Since(start)
	total.requests = len(total.times)
	slices.Sort(total.times)
	return total
}

func (l load) client(client int, until time.Time) (times []time.Duration, failed int, first error) {
	var c conn
	defer c.close()
	for n := 0; time.Now().Before(until) && (l.limit == 0 || n < l.limit); n++ {
		request := l.next(client, n)
		if request == nil {
			return times, failed, first
		}
		a, err := c.roundTrip(l.addr, request)
		if err == nil {
			if l.check != nil {
				err = l.check(client, a)
			} else if a.status != http.StatusOK {
				err = fmt.Errorf("status %d: %.200s", a.status, a.body)
			}
		}
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
			continue
		}
		times = append(times, a.took)
	}
	return times, failed, first
}

// conn is one keep-alive connection.
type conn struct {
	c net.Conn
	r *bufio.Reader
}

func (c *conn) close() {
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}

func (c *conn) roundTrip(addr string, request []byte) (response, error) {
	if c.c == nil {
		nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			return response{}, err
		}
		c.c, c.r = nc, bufio.NewReaderSize(nc, 8192)
	}
	start := time.Now()
	c.c.SetDeadline(start.Add(60 * time.Second))
	if _, err := c.c.Write(request); err != nil {
		c.close()
		return response{}, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.close()
		return response{}, err
	}
	body, err := io.ReadAll(resp.Body)
	took := time.Since(start)
	if err != nil || resp.Close {
		c.close()
	}
	return response{resp.StatusCode, body, took, resp.Header.Get("Location")}, err
}

// get and post write requests as bytes once, so that the generator costs little.
func getRequest(addr, path, bearer string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, addr)
	if bearer != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", bearer)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func postRequest(addr, path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, addr, len(body), body)
}
