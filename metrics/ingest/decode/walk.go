package decode

import (
	"bytes"
	"fmt"
	"mime"

	"tidemark/metrics"
)

// walk finds the objects in a body: one, several after each other, one a line, or
// an array of them.
type walk struct {
	b *Batch
	// read reads the object at the scanner as the item at index. It returns false
	// after a syntax error, having added no event.
	read func(s *scanner, index int) bool
}

func (w *walk) body(src []byte, contentType string) error {
	const want = "send an event as a JSON object, an array of them, or one a line"
	s := scanner{src: src, b: w.b}
	first := s.peek()
	var err error
	switch {
	case first == 0 && s.pos == len(src):
		return fmt.Errorf("%w: it is empty; %s", ErrBody, want)
	case isLines(contentType):
		err = w.lines(src[s.pos:], false)
	case first == '[':
		err = w.array(&s)
	case first == '{':
		err = w.objects(src[s.pos:])
	default:
		return fmt.Errorf("%w: it starts with %q; %s", ErrBody, rune(first), want)
	}
	if err == nil && len(w.b.Events) == 0 {
		err = w.b.unreadable()
	}
	return err
}

func isLines(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	switch media {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return true
	}
	return false
}

// unreadable is ErrBody when the first thing in the body was not even JSON and
// nothing after it could be used either.
func (b *Batch) unreadable() error {
	for i := range b.Rejected {
		if c := b.Rejected[i].Code; c != metrics.CodeJSONInvalid && c != metrics.CodeArrayBroken {
			return nil
		}
	}
	if len(b.Rejected) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrBody, b.Rejected[0].Message)
}

// array reads [event, event, …]. After a syntax error nothing more can be told
// apart, so the element that has it is rejected and the rest is not read.
func (w *walk) array(s *scanner) error {
	some, ok := s.open('[', ']')
	for some && ok {
		index, err := w.b.begin()
		if err != nil {
			return err
		}
		if ok = w.element(s, index); ok {
			some, ok = s.more(']')
			if !ok {
				index++ // the element was whole; what follows it is not
			}
		}
		if !ok {
			w.b.reject(index, "", metrics.CodeArrayBroken, "", s.fault()+"; this element and all after it were not read")
			return nil
		}
	}
	if s.peek() != 0 || s.pos < len(s.src) {
		w.b.reject(w.b.items, "", metrics.CodeArrayBroken, "", fmt.Sprintf("there is more at byte %d, after the end of the array; it was not read", s.pos))
	}
	return nil
}

// element reads one value of an array or line. It returns false after a syntax
// error; anything else that is wrong is rejected.
func (w *walk) element(s *scanner, index int) bool {
	if s.peek() == '{' {
		return w.read(s, index)
	}
	if !s.skip(1) {
		return false
	}
	w.b.reject(index, "", metrics.CodeJSONInvalid, "", "an event must be a JSON object")
	return true
}

// lines reads one object a line. With joined, a line that does not start an
// object belongs to the broken one before it.
func (w *walk) lines(src []byte, joined bool) error {
	var s scanner // one for all lines: it escapes through read
	for len(src) > 0 {
		line := src
		if i := bytes.IndexByte(src, '\n'); i >= 0 {
			line, src = src[:i], src[i+1:]
		} else {
			src = nil
		}
		s = scanner{src: line, b: w.b}
		first := s.peek()
		if first == 0 && s.pos == len(line) || joined && first != '{' {
			continue
		}
		index, err := w.b.begin()
		if err != nil {
			return err
		}
		w.line(&s, index)
	}
	return nil
}

func (w *walk) line(s *scanner, index int) {
	before := len(w.b.Events)
	if !w.element(s, index) {
		w.b.reject(index, "", metrics.CodeJSONInvalid, "", s.fault()+" of this line")
		return
	}
	if s.peek(); s.pos < len(s.src) {
		for len(w.b.Events) > before {
			w.b.drop()
		}
		w.b.reject(index, "", metrics.CodeJSONInvalid, "", fmt.Sprintf("there is more at byte %d of this line, after the end of the object", s.pos))
	}
}

// objects reads objects that follow each other, each on one line or several. At
// the first that is broken it goes on line by line, so that no byte is read more
// than twice.
func (w *walk) objects(src []byte) error {
	s := scanner{src: src, b: w.b}
	for s.peek() == '{' {
		start, items := s.pos, w.b.items
		index, err := w.b.begin()
		if err != nil {
			return err
		}
		if !w.element(&s, index) {
			w.b.items = items
			return w.lines(src[start:], true)
		}
	}
	if s.pos < len(src) {
		return w.lines(src[s.pos:], false)
	}
	return nil
}
