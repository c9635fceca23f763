// Package tomlfile reads a TOML file strictly into a struct and says, for everything that is wrong with it, what it is,
// its place and what to do: unknown keys, wrong types, and problems that the caller finds later. All problems are found
// in one go.
//
// [Read] does it all; [Document.Problem] makes a [Problem] with the place of a key. A Go library for TOML reports the
// first wrong type and stops, and does not say where a value was once it has been decoded. Hence this package: go-toml parses
// and finds duplicates, its syntax tree gives the lines, and the values are put into the struct here.
//
// Fields are matched by their `toml` tag. Their types may be string, bool, int, [time.Duration] (written as "5m"), lists
// and tables of them, structs, and map[string]string.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// MaxSize is the largest file that is read, in octets. A configuration of twenty thousand domains has a quarter of it at most;
// what is larger is some other file, named by mistake.
const MaxSize = 8 << 20

// Document is a file that was read. The zero Document is an empty one without a name.
type Document struct {
	file    string
	lines   map[string]int
	options map[string]bool     // those that belong above the first table
	tables  map[string][]string // by option, the tables that have it
}

// Read reads the file at path into v, a pointer to a struct that holds the defaults. A file that cannot be read at all,
// or is not TOML, is a single problem and leaves v as it was. The Document is never nil.
func Read(path string, v any) (*Document, Problems) {
	d := &Document{file: path}
	data, err := readFile(path)
	if err != nil {
		return d, AsProblems(path, err)
	}
	return Decode(path, data, v)
}

// Decode is [Read] with the content given. name is the file's name in problems.
func Decode(name string, data []byte, v any) (*Document, Problems) {
	d := &Document{file: name}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors put a byte order mark in front
	if i := invalidUTF8(data); i >= 0 {
		return d, Problems{{File: name, Line: 1 + bytes.Count(data[:i], []byte("\n")),
			What: "is not UTF-8 text", Remedy: "save the file as UTF-8"}}
	}
	var raw map[string]any
	if err := toml.Unmarshal(data, &raw); err != nil {
		return d, Problems{syntaxProblem(name, data, err)}
	}
	d.lines = indexLines(data)
	fields := fieldsOf(reflect.ValueOf(v).Elem())
	d.options, d.tables = optionsOf(fields), tablesOf(fields)
	b := binder{doc: d}
	b.table("", raw, v)
	return d, b.problems
}

// File returns the name of the file.
func (d *Document) File() string { return d.file }

// Parsed says whether the file could be read and is TOML.
func (d *Document) Parsed() bool { return d.lines != nil }

// Has reports whether the file sets key.
func (d *Document) Has(key string) bool { return d.lines[key] > 0 }

// IsOption reports whether name is an option of the file itself, which belongs above the first table.
func (d *Document) IsOption(name string) bool { return d.options[name] }

// AboveTables is the remedy for an option of the file itself that is written below a table, of which it is then a part.
func AboveTables(option string) string { return option + " belongs above the first [table]" }

// belowTables is the remedy for an option of tables that is written elsewhere: the "#" in front of the name of the table is still there.
func belowTables(tables []string) string {
	return "it belongs below [" + strings.Join(tables, "] or [") + `]: remove the "#" in front of that line, too`
}

// Line returns the line of key, or that of the closest table or list around it, or 0.
func (d *Document) Line(key string) int {
	for key != "" {
		if l := d.lines[key]; l > 0 {
			return l
		}
		key = parent(key)
	}
	return 0
}

// Problem returns a problem with the value of key.
func (d *Document) Problem(key, value, what, remedy string) Problem {
	return Problem{File: d.file, Line: d.Line(key), Key: key, Value: value, What: what, Remedy: remedy}
}

// readFile reads a whole file and has a remedy for each way in which that may fail.
func readFile(path string) ([]byte, error) {
	fail := func(what, remedy string) ([]byte, error) {
		return nil, Problem{File: path, What: what, Remedy: remedy}
	}
	// A named pipe would block the open; configuration is a file.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("no such file", "create it or name another one")
	case errors.Is(err, fs.ErrPermission):
		return fail("permission denied", fmt.Sprintf("let user ID %d read it and pass through its folders", os.Geteuid()))
	case err != nil:
		return fail(reason(err), "")
	}
	defer func() { _ = f.Close() }() // nothing was written
	switch info, err := f.Stat(); {
	case err != nil:
		return fail(reason(err), "")
	case info.IsDir():
		return fail("is a directory", "name the file in it")
	case !info.Mode().IsRegular():
		return fail("is not a regular file", "name a file")
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return fail(reason(err), "")
	case len(data) > MaxSize:
		return fail(fmt.Sprintf("is larger than %d octets", MaxSize), "is it the right file?")
	}
	return data, nil
}

// reason returns the cause of a file error without the path, which is in the problem already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// invalidUTF8 returns the index of the first octet that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
