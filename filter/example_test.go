package filter_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// A milter on a unix socket, with a store in memory. An MTA hands it an outbound message and two bounces: one to the address
// that the message was signed with, and one whose tag an attacker made up.
func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// MAIL FROM:<user@example.com> becomes <prvs=178773a1ad=user@example.com>
	// a bounce to <prvs=178773a1ad=user@example.com> is accepted
	// a bounce to <prvs=1787c0ffee=user@example.com> gets 550 5.7.1 Invalid tag: this bounce to an invalid tag answers no message sent from here
}

func example() error {
	clock := func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	keys, err := prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: []byte("secret")}}, prvs.Options{})
	if err != nil {
		return err
	}
	p, err := policy.New(policy.Settings{
		Domains: []policy.Domain{{Name: "example.com", Mode: policy.ModeEnforce}}, Keys: keys,
		Outbound: policy.DefaultOutbound(), Proofs: policy.DefaultProofs(),
	})
	if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	records := guard.New(memory.NewWithClock(clock), guard.Options{Logger: logger, Now: clock})
	defer records.Close()
	server, err := filter.NewServer(filter.Options{
		Policy: p, Store: records, Hasher: store.NewHasher([]byte("hash secret")), Logger: logger, Node: "mx1", Clock: clock,
	})
	if err != nil {
		return err
	}

	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "milter.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln, policy.RoleBoth) }()

	err = errors.Join(
		send(socket, "user", "user@example.com", "friend@example.org"),
		send(socket, "", "", "prvs=178773a1ad=user@example.com"),
		send(socket, "", "", "prvs=1787c0ffee=user@example.com"),
	)
	return errors.Join(err, server.Shutdown(context.Background()), <-served)
}

// send hands a message to the milter as an MTA does. The client has logged in as login, unless that is empty.
func send(socket, login, from, to string) error {
	macros := milter.NewMacroBag()
	macros.Set(milter.MacroAuthAuthen, login)
	mta, err := milter.NewClient("unix", socket).Session(macros)
	if err != nil {
		return err
	}
	defer mta.Close()
	if _, err := mta.Conn("client.example", milter.FamilyInet, 40123, "192.0.2.1"); err != nil {
		return err
	}
	if _, err := mta.Helo("client.example"); err != nil {
		return err
	}
	if _, err := mta.Mail(from, ""); err != nil {
		return err
	}
	verdict, err := mta.Rcpt(to, "")
	if err != nil {
		return err
	}
	var changes []milter.ModifyAction
	if !verdict.StopProcessing() {
		if _, err := mta.DataStart(); err != nil {
			return err
		}
		if _, err := mta.HeaderField("From", cmp.Or(from, "mailer-daemon@client.example"), nil); err != nil {
			return err
		}
		if _, err := mta.HeaderField("Subject", "Undelivered mail", nil); err != nil {
			return err
		}
		if _, err := mta.HeaderEnd(); err != nil {
			return err
		}
		if changes, verdict, err = mta.BodyReadFrom(strings.NewReader("Your message to <friend@example.org> was not delivered: 550 5.1.1 User unknown\r\n")); err != nil {
			return err
		}
	}
	if verdict.StopProcessing() {
		fmt.Printf("a bounce to <%s> gets %s\n", to, strings.TrimSpace(verdict.SMTPReply))
		return nil
	}
	for _, c := range changes {
		if c.Type == milter.ActionChangeFrom {
			fmt.Printf("MAIL FROM:<%s> becomes %s\n", from, c.From)
			return nil
		}
	}
	fmt.Printf("a bounce to <%s> is accepted\n", to)
	return nil
}
