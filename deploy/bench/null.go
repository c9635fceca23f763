package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/d--j/go-milter"
)

// nullCommand is the hidden first argument with which the program becomes the null milter. That has to be a process of
// its own, because its CPU time and memory are compared with the daemon's.
const nullCommand = "null-milter"

// serveNull runs the milter that does nothing until ctx ends: all events, a reply to each, accept at end of message.
// It is the least that a milter on go-milter costs which does not negotiate events or replies away.
func serveNull(ctx context.Context, listen string, stderr io.Writer) error {
	network, address, err := splitAddress(listen)
	if err != nil {
		return err
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	server := milter.NewServer(milter.WithMilter(func() milter.Milter { return milter.NoOpMilter{} }))
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	fmt.Fprintf(stderr, "listening on %s\n", listen)
	select {
	case err = <-served:
	case <-ctx.Done():
		err = errors.Join(server.Close(), <-served)
	}
	if errors.Is(err, milter.ErrServerClosed) {
		return nil
	}
	return err
}

// splitAddress splits unix:/path or tcp:host:port, the form of bouncefilter's --listen, for package net.
func splitAddress(s string) (network, address string, err error) {
	network, address, found := strings.Cut(s, ":")
	if !found || address == "" || (network != "unix" && network != "tcp") {
		return "", "", fmt.Errorf("address %q: want unix:/path or tcp:host:port", s)
	}
	return network, address, nil
}
