package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tidemark/flags"
)

// Bounds of one request to a webhook.
const (
	sendTimeout = 10 * time.Second
	maxResponse = 64 << 10
)

var errInside = fmt.Errorf("%w: the URL leads to an address that is not public; networks inside must be allowed in the settings", flags.ErrRefused)

// courier brings signed messages to webhooks. It follows no redirects, uses no proxy,
// and connects to allowed addresses only.
type courier struct{ client *http.Client }

func newCourier(allow []netip.Prefix) *courier {
	g := &guard{allow, special()}
	dialer := &net.Dialer{Timeout: sendTimeout, Control: g.control}
	return &courier{&http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: sendTimeout, ResponseHeaderTimeout: sendTimeout,
			MaxResponseHeaderBytes: maxResponse, MaxIdleConns: 10, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *courier) close() { c.client.CloseIdleConnections() }

// noAnswer says why nobody answered, without the addresses of this network that errors of
// package net tell: who makes webhooks need not know them.
func noAnswer(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		why := "the name server cannot be asked"
		switch {
		case dns.IsNotFound:
			why = "there is no such name"
		case dns.IsTimeout:
			why = "the name server did not answer in time"
		}
		return fmt.Errorf("no answer: %q cannot be looked up: %s", dns.Name, why)
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // The address is known, and may be long.
	}
	for in := err; in != nil; in = errors.Unwrap(in) {
		if op, ok := in.(*net.OpError); ok { //nolint:errorlint // Each of the chain is looked at.
			op.Source = nil
		}
	}
	return fmt.Errorf("no answer: %w", quoted{err})
}

// maxSaid bounds what is kept of a receiver's own words, in characters.
const maxSaid = 200

// said is what a receiver says, as it may be kept and shown: printable, and not long.
func said(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxSaid {
			s = s[:i] + "…"
			break
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// quoted is an error that may quote what a receiver says.
type quoted struct{ error }

func (q quoted) Error() string { return said(q.error.Error()) }
func (q quoted) Unwrap() error { return q.error }

// post sends a message once, signed as Standard Webhooks says. The status is 0 when
// there was no answer; err is nil for 2xx only. Of the answer's body the first
// maxResponse bytes are read.
func (c *courier) post(ctx context.Context, w *flags.Webhook, id string, now time.Time, payload []byte) (status int, body []byte, err error) {
	signature, err := Sign(w.Secret, id, now, payload)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(payload))
	if err != nil {
		return 0, nil, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tidemark")
	req.Header.Set(HeaderID, id)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(HeaderSignature, signature)
	resp, err := c.client.Do(req)
	if errors.Is(err, flags.ErrRefused) { // The dialer's error tells where a name inside leads to.
		return 0, nil, errInside
	}
	if err != nil {
		return 0, nil, noAnswer(err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxResponse)); err != nil {
		return resp.StatusCode, nil, fmt.Errorf("answer %s broke off: %w", said(resp.Status), quoted{err})
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, nil, fmt.Errorf("answered %s; only 2xx counts as delivered", said(resp.Status))
	}
	return resp.StatusCode, body, nil
}
