package main

import (
	"fmt"
	"net/http"
	"time"
)

// startSection measures cold start on an existing database, and memory.
func startSection(b *bench) error {
	s, err := startWatchword("start", "")
	if err != nil {
		return err
	}
	tokens, err := s.signInUsers(16)
	if err != nil {
		return err
	}
	s.stop()
	var times []time.Duration
	for range 15 {
		begun := time.Now()
		if err := s.startAndPoll(); err != nil {
			return err
		}
		times = append(times, time.Since(begun))
		s.stop()
	}
	if err := s.waitUntilReady(); err != nil {
		return err
	}
	defer s.stop()
	time.Sleep(2 * time.Second)
	idle, _ := s.rss()
	s.refreshes(tokens, *span).run()
	_, peak := s.rss()
	fmt.Printf("### Start and memory\n\nFrom exec to the first answer on an existing database: median %s of 15. Memory: %d MiB idle, %d MiB at most under refreshes.\n\n",
		formatDuration(median(times)), idle>>20, peak>>20)
	return nil
}

// startAndPoll starts the server and polls it until it responds.
func (s *server) startAndPoll() error {
	p, err := startProcess(s.name, s.addr, s.env, s.binary, "serve")
	if err != nil {
		return err
	}
	s.process = p
	request := getRequest(s.addr, "/livez", "")
	for range 20_000 {
		var c conn
		a, err := c.roundTrip(s.addr, request)
		c.close()
		if err == nil && a.status == http.StatusOK {
			return nil
		}
		time.Sleep(250 * time.Microsecond)
	}
	return fmt.Errorf("the server does not respond")
}
