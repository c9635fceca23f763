package config

import (
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/events"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store/redis"
)

// eventsTable says where events about genuine bounces go. Its URLs may hold passwords.
type eventsTable struct {
	File         string `toml:"file"`
	Redis        string `toml:"redis"`
	Stream       string `toml:"stream"`
	StreamLength int    `toml:"stream_length"`
	HTTP         string `toml:"http"`
	SecretFile   string `toml:"secret_file"`
	MaxBacklog   int    `toml:"max_backlog"`
}

func defaultEvents() eventsTable {
	return eventsTable{Stream: "bouncefilter-events", StreamLength: 100_000, MaxBacklog: 50_000}
}

// maxSecretFile is how many octets of a file with a secret are read.
const maxSecretFile = 1 << 10

// events resolves where events go.
func (r *resolver) events() {
	f := r.c.raw.Events
	e := &r.c.Events
	*e = events.Sinks{File: f.File, Redis: f.Redis, Stream: f.Stream, StreamLength: int64(f.StreamLength), HTTP: f.HTTP, MaxBacklog: f.MaxBacklog}
	if f.File != "" && !filepath.IsAbs(f.File) {
		r.problem("events.file", tomlfile.Quote(f.File), "is not an absolute path", `use a path such as "/var/lib/bouncefilter/events.jsonl"`)
	}
	if f.Redis != "" {
		r.eventsRedis(f.Redis)
	}
	if f.Stream == "" {
		r.problem("events.stream", `""`, "is no name of a stream", "use "+tomlfile.Quote(defaultEvents().Stream))
	}
	if f.StreamLength < 1 {
		r.problem("events.stream_length", strconv.Itoa(f.StreamLength), "is too few", "use 1000 or more: consumers that are slower lose what is older")
	}
	if f.MaxBacklog < 1 {
		r.problem("events.max_backlog", strconv.Itoa(f.MaxBacklog), "is too few", "use 1000 or more: so many events wait while a receiver is down")
	}
	if f.HTTP != "" {
		r.eventsHTTP(f.HTTP)
	}
	switch {
	case f.SecretFile == "":
	case f.HTTP == "":
		r.problem("events.secret_file", tomlfile.Quote(f.SecretFile), "is of no use without http", "set http in [events], or remove it")
	default:
		r.eventsSecret(f.SecretFile)
	}
}

// eventsRedis checks the URL of the server with the stream. A client connects only when it is used.
func (r *resolver) eventsRedis(rawURL string) {
	client, err := redis.Connect(rawURL)
	if err == nil {
		err = client.Close()
	}
	if err != nil {
		r.problem("events.redis", "", err.Error(), `use a URL such as "redis://user:password@127.0.0.1:6379/0", see the option store`)
	}
}

// eventsHTTP checks the URL of the hook. Problems do not show it: any part of it may be secret.
func (r *resolver) eventsHTTP(rawURL string) {
	const remedy = `use a URL such as "https://app.example.com/bounces"`
	u, err := url.Parse(rawURL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || !slices.Contains([]string{"http", "https"}, u.Scheme):
		r.problem("events.http", "", "is not a URL of HTTP", remedy)
	case u.Fragment != "":
		r.problem("events.http", "", "has a #", "write it as %23")
	case u.Scheme == "http" && !listener.LoopbackHost(u.Hostname()):
		r.problem("events.http", "", "is not encrypted, and events hold addresses of persons", remedy+", or http: to this host alone")
	}
}

// eventsSecret reads the secret that signs requests. A command of another user than the daemon's may not be allowed to.
func (r *resolver) eventsSecret(path string) {
	const remedy = "make one: (printf whsec_; openssl rand -base64 32) > FILE, readable by the daemon alone"
	if !filepath.IsAbs(path) {
		r.problem("events.secret_file", tomlfile.Quote(path), "is not an absolute path", "write it from / on")
		return
	}
	text, mode, err := readSecret(path)
	switch {
	case errors.Is(err, os.ErrPermission):
		r.problem("events.secret_file", tomlfile.Quote(path), "cannot be read by this user", "chown bouncefilter "+path)
		return
	case err != nil:
		r.problem("events.secret_file", tomlfile.Quote(path), "cannot be read: "+err.Error(), remedy)
		return
	case mode.Perm()&0o007 != 0:
		r.problem("events.secret_file", tomlfile.Quote(path), "can be read or written by every user of this host", "chmod o= "+path)
	}
	if r.c.Events.Secret, err = events.ParseSecret(text); err != nil {
		r.problem("events.secret_file", tomlfile.Quote(path), "holds no secret: "+err.Error(), remedy)
	}
}

func readSecret(path string) (text string, mode os.FileMode, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() { // opening a FIFO would wait
		return "", 0, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	return string(b), info.Mode(), err
}
