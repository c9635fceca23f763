package prvs

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vector is one block of testdata/vectors.txt; the file describes its fields.
type vector struct {
	kind, name string
	line       int
	fields     map[string]string
}

// vectorFields returns the fields that a block of this kind may have. Those that are true must be there.
func vectorFields(kind string) map[string]bool {
	switch kind {
	case "mac":
		return map[string]bool{"day": true, "secret": false, "number": false, "address": true, "hash": true}
	case "sign":
		return map[string]bool{"day": true, "secret": false, "number": false, "lifetime": false, "rotation": false,
			"form": false, "address": true, "signed": true, "expiry": true}
	case "verify":
		return map[string]bool{"day": true, "secret": false, "number": false, "lifetime": false, "rotation": false,
			"form": false, "address": true, "status": true, "original": false, "sender": false, "expiry": false}
	}
	return nil
}

// readVectors reads all blocks. It fails on a line that it does not understand, and if there are no blocks of a kind.
func readVectors(t testing.TB) []vector {
	t.Helper()
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	var vectors []vector
	var v *vector // the current block
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "# "), line == "#":
			continue
		case line == "":
			v = nil
			continue
		}
		key, value, found := strings.Cut(line, ": ")
		switch {
		case !found:
			t.Fatalf("vectors.txt:%d: no field: %q", n, line)
		case v == nil:
			if vectorFields(key) == nil {
				t.Fatalf("vectors.txt:%d: unknown kind %q", n, key)
			}
			vectors = append(vectors, vector{kind: key, name: value, line: n, fields: map[string]string{}})
			v = &vectors[len(vectors)-1]
		default:
			if _, known := vectorFields(v.kind)[key]; !known {
				t.Fatalf("vectors.txt:%d: %q does not belong to a %s block", n, key, v.kind)
			}
			if _, twice := v.fields[key]; twice {
				t.Fatalf("vectors.txt:%d: %q is there twice", n, key)
			}
			v.fields[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, v := range vectors {
		kinds[v.kind]++
		for field, must := range vectorFields(v.kind) {
			if _, there := v.fields[field]; must && !there {
				t.Fatalf("vectors.txt:%d: %q is missing", v.line, field)
			}
		}
	}
	for _, kind := range []string{"mac", "sign", "verify"} {
		if kinds[kind] == 0 {
			t.Fatalf("vectors.txt: no %s blocks", kind)
		}
	}
	return vectors
}

func TestVectors(t *testing.T) {
	vectors := readVectors(t)
	t.Logf("%d vectors", len(vectors))
	for _, v := range vectors {
		t.Run(v.kind+": "+v.name, func(t *testing.T) {
			if err := v.run(); err != nil {
				t.Errorf("vectors.txt:%d: %v", v.line, err)
			}
		})
	}
}

func (v vector) run() error {
	day, err := v.day("day")
	if err != nil {
		return err
	}
	number, err := v.integer("number", 1)
	if err != nil {
		return err
	}
	secret := v.text("secret", "secret")
	if v.kind == "mac" {
		mac := MAC([]byte(secret), uint8(number), day, v.fields["address"])
		return compare("hash", hex.EncodeToString(mac[:]), v.fields["hash"])
	}

	lifetime, err := v.integer("lifetime", 7)
	if err != nil {
		return err
	}
	rotation, err := v.integer("rotation", 1)
	if err != nil {
		return err
	}
	ring, err := NewRing([]Key{{Number: uint8(number), State: StateSign, Secret: []byte(secret)}},
		Options{Lifetime: lifetime, Rotation: rotation})
	if err != nil {
		return err
	}
	form, err := ParseForm(v.text("form", "standard"))
	if err != nil {
		return err
	}
	address, err := ParseAddress(v.fields["address"])
	if err != nil {
		return err
	}
	if v.kind == "sign" {
		return v.runSign(ring, form, address, day, uint8(number))
	}
	return v.runVerify(ring, form, address, day)
}

func (v vector) runSign(ring *Ring, form Form, address Address, day Day, number uint8) error {
	signed, err := ring.Sign(address, form, day)
	if err != nil {
		return err
	}
	if err := compare("signed", signed.Address, v.fields["signed"]); err != nil {
		return err
	}
	if err := compare("expiry", signed.Expiry, v.fields["expiry"]); err != nil {
		return err
	}
	return compare("number", signed.Number, number)
}

func (v vector) runVerify(ring *Ring, form Form, address Address, day Day) error {
	got := ring.Verify(address, day)
	original := v.text("original", "")
	var expiry Day
	if _, there := v.fields["expiry"]; there {
		var err error
		if expiry, err = v.day("expiry"); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"status", got.Status, v.fields["status"]},
		{"original", got.Original, original},
		{"sender", got.Sender, v.text("sender", original)},
		{"form", got.Form, form},
		{"expiry", got.Expiry, expiry},
	} {
		if err := compare(c.what, c.got, c.want); err != nil {
			return err
		}
	}
	return nil
}

func compare(what, got, want any) error {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s is %q, want %q", what, fmt.Sprint(got), fmt.Sprint(want))
	}
	return nil
}

func (v vector) text(field, fallback string) string {
	if s, there := v.fields[field]; there {
		return s
	}
	return fallback
}

func (v vector) integer(field string, fallback int) (int, error) {
	return strconv.Atoi(v.text(field, strconv.Itoa(fallback)))
}

func (v vector) day(field string) (Day, error) {
	t, err := time.Parse(time.DateOnly, v.fields[field])
	return DayOf(t), err
}
