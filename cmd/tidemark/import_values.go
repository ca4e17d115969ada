package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine is the longest line of an NDJSON file, and the longest first line that is
// looked at to tell NDJSON from other JSON.
const maxLine = 20 << 20

// maxValue is how much is read of a value that spans lines.
const maxValue = 4 * maxLine

// budget reads no more than it has left.
type budget struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a value is longer than %d bytes", maxValue)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err //nolint:wrapcheck // as the reader itself
}

// readValues calls fn with each JSON value of a file: each line of NDJSON, each
// element of an array, or each of several values that span lines. In NDJSON a line
// that is not JSON is passed on as it is, so that it is rejected by itself.
func readValues(r io.Reader, fn func(value []byte) error) error {
	br := bufio.NewReaderSize(r, 1<<20)
	first, err := readLine(br)
	if err != nil {
		return err
	}
	rest := io.MultiReader(bytes.NewReader(first), br)
	if json.Valid(first) && !bytes.HasPrefix(bytes.TrimSpace(first), []byte("[")) {
		return readLines(bufio.NewReaderSize(rest, 1<<20), fn)
	}
	return readStream(rest, fn)
}

// readLine returns a line with its end; at the end of the file, none.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("import: %w", err)
		case len(line) > maxLine:
			return nil, fmt.Errorf("import: a line is longer than %d bytes", maxLine)
		}
	}
}

func readLines(br *bufio.Reader, fn func([]byte) error) error {
	for {
		line, err := readLine(br)
		if err != nil || len(line) == 0 {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := fn(line); err != nil {
			return err
		}
	}
}

// readStream reads values that may span lines; an array stands for its elements.
func readStream(r io.Reader, fn func([]byte) error) error {
	br := bufio.NewReader(r)
	array, err := beginsArray(br)
	if err != nil {
		return err
	}
	some := &budget{r: br, left: maxValue}
	dec := json.NewDecoder(some)
	if array {
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	for !array || dec.More() {
		var value json.RawMessage
		some.left = maxValue
		err := dec.Decode(&value)
		if errors.Is(err, io.EOF) && !array {
			return nil
		}
		if err != nil {
			return fmt.Errorf("import: at byte %d: %w", dec.InputOffset(), err)
		}
		var flat bytes.Buffer
		if err := json.Compact(&flat, value); err != nil {
			return fmt.Errorf("import: at byte %d: %w", dec.InputOffset(), err)
		}
		if err := fn(flat.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// beginsArray looks at the first character that is no space.
func beginsArray(br *bufio.Reader) (bool, error) {
	for {
		c, err := br.ReadByte()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("import: %w", err)
		}
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		return c == '[', br.UnreadByte() //nolint:wrapcheck // It cannot fail after ReadByte.
	}
}
