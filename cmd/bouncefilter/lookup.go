package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// lookupRequest is what inspect asks the daemon that has the embedded store open. Keys are keyed hashes: who does not have the
// hash secret has nothing to ask for.
type lookupRequest struct {
	Today   store.Day     `json:"today"`
	Queries []lookupQuery `json:"queries"`
}

type lookupQuery struct {
	Key     string    `json:"key"` // hex
	Expires store.Day `json:"expires"`
}

// lookupAnswer is a [store.Answer].
type lookupAnswer struct {
	Found  []bool    `json:"found"`
	Counts []uint32  `json:"counts"`
	Since  time.Time `json:"since"`
}

// maxLookup bounds a request and its answer, in octets: ten thousand queries.
const maxLookup = 1 << 20

// serveLookup serves /lookup.
func (d *milterDaemon) serveLookup(w http.ResponseWriter, r *http.Request) {
	var asked lookupRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLookup)).Decode(&asked); err != nil {
		say(w, http.StatusBadRequest, "not a lookup: "+err.Error())
		return
	}
	qs := make([]store.Query, len(asked.Queries))
	for i, q := range asked.Queries {
		if n, err := hex.Decode(qs[i].Key[:], []byte(q.Key[:min(len(q.Key), 2*store.KeySize)])); err != nil || n != store.KeySize || len(q.Key) > 2*store.KeySize {
			say(w, http.StatusBadRequest, fmt.Sprintf("query %d: the key is not %d octets in hex", i, store.KeySize))
			return
		}
		qs[i].Expires = q.Expires
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	a, err := d.guard.Store().Lookup(ctx, asked.Today, qs)
	if err != nil {
		say(w, http.StatusServiceUnavailable, "the store does not answer: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(lookupAnswer{a.Found, a.Counts, a.Complete.Since}) // who asked may be gone
}

// daemonRecord is the record of the daemon that serves metrics and health on an address, and notices on its control socket.
type daemonRecord struct {
	address string
	daemonNotices
}

// Lookup asks the daemon.
func (r daemonRecord) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	ask := lookupRequest{Today: today, Queries: make([]lookupQuery, len(qs))}
	for i, q := range qs {
		ask.Queries[i] = lookupQuery{hex.EncodeToString(q.Key[:]), q.Expires}
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return store.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	url := "http://" + r.address + "/lookup"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return store.Answer{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return store.Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or of no use
	if resp.StatusCode != http.StatusOK {
		return store.Answer{}, fmt.Errorf("%s: %s", url, resp.Status)
	}
	var a lookupAnswer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLookup)).Decode(&a); err != nil {
		return store.Answer{}, fmt.Errorf("%s: %w", url, err)
	}
	if len(a.Found) != len(qs) || len(a.Counts) != len(qs) {
		return store.Answer{}, fmt.Errorf("%s: %d answers to %d queries", url, len(a.Found), len(qs))
	}
	return store.Answer{Found: a.Found, Counts: a.Counts, Complete: store.Completeness{Since: a.Since}}, nil
}

// FirstSigned asks the daemon.
func (r daemonRecord) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	st, err := askStatus(ctx, r.address)
	if err != nil {
		return nil, err
	}
	days := map[string]store.Day{}
	for _, d := range st.Domains {
		if at, err := time.Parse(time.DateOnly, d.SigningSince); err == nil {
			days[d.Name] = store.DayOf(at)
		}
	}
	return days, nil
}
