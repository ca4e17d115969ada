package ofrep

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"tidemark/flags/eval"
)

// read reads the request's body and its context.
func (s *scratch) read(r *http.Request) error {
	if r.ContentLength > MaxBody {
		return tooLarge()
	}
	if err := s.readBody(r.Body); err != nil {
		return err
	}
	// One copy of the body: the context's strings are parts of it.
	return parseRequest(string(s.body), s.ctx)
}

func (s *scratch) readBody(r io.Reader) error {
	if s.body == nil {
		s.body = make([]byte, 0, 2048)
	}
	b := s.body[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		s.body = b
		switch {
		case len(b) > MaxBody:
			return tooLarge()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return notJSON("it could not be read to its end: %v", err)
		}
	}
}

func tooLarge() error {
	return &badError{eval.CodeInvalidContext, fmt.Sprintf("body: larger than %d bytes", MaxBody)}
}
