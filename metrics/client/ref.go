package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"tidemark/metrics"
)

// Header is the name of the message or request header that carries a WriteRef.
const Header = "tidemark-write"

// maxHeader bounds the header's value, in bytes.
const maxHeader = 4096

// ErrRef is wrapped by errors about a header that is no WriteRef; ErrNoRef says
// that there was none.
var (
	ErrRef   = errors.New("malformed " + Header + " header")
	ErrNoRef = errors.New("no " + Header + " header")
)

// WriteRef is what a consumer must know of a write to report on it. It travels
// with the message; the labels do too, because policy goes with the data.
type WriteRef struct {
	WriteID   string
	Feature   string
	Key       string
	Version   metrics.Version
	Labels    []string
	Model     string
	Variant   string
	Mechanism string
	Owner     string
}

// Carrier is where headers are put and found: http.Header is one, and so are the
// carriers of OpenTelemetry's propagators.
type Carrier interface {
	Get(key string) string
	Set(key, value string)
}

// String is the header's value: names and values joined like a query, for example
// "feature=cart&id=…&key=user-7&version=seq%3A42".
func (r WriteRef) String() string {
	v := url.Values{}
	set := func(name, s string) {
		if s != "" {
			v.Set(name, s)
		}
	}
	set("id", r.WriteID)
	set("feature", r.Feature)
	set("key", r.Key)
	set("version", r.Version.String())
	set("model", r.Model)
	set("variant", r.Variant)
	set("mechanism", r.Mechanism)
	set("owner", r.Owner)
	if len(r.Labels) > 0 {
		v["label"] = r.Labels
	}
	return v.Encode()
}

// ParseRef reads what String writes. Names that it does not know are passed over,
// so that a later version may add some.
func ParseRef(s string) (WriteRef, error) {
	if len(s) > maxHeader {
		return WriteRef{}, fmt.Errorf("%w: %d bytes; at most %d are allowed", ErrRef, len(s), maxHeader)
	}
	v, err := url.ParseQuery(s)
	if err != nil {
		return WriteRef{}, fmt.Errorf("%w: %w", ErrRef, err)
	}
	r := WriteRef{
		WriteID: v.Get("id"), Feature: v.Get("feature"), Key: v.Get("key"), Labels: v["label"],
		Model: v.Get("model"), Variant: v.Get("variant"), Mechanism: v.Get("mechanism"), Owner: v.Get("owner"),
	}
	if r.WriteID == "" || r.Feature == "" {
		return WriteRef{}, fmt.Errorf("%w: id and feature are required", ErrRef)
	}
	if r.Version, err = metrics.ParseVersion(v.Get("version")); err != nil {
		return WriteRef{}, fmt.Errorf("%w: %w", ErrRef, err)
	}
	return r, nil
}

// Inject puts the reference into the headers of a message or request. A reference
// over the limit of 4096 bytes is refused, not shortened.
func (r WriteRef) Inject(to Carrier) error {
	s := r.String()
	if len(s) > maxHeader {
		return fmt.Errorf("client: inject %s: %d bytes; at most %d are allowed", Header, len(s), maxHeader)
	}
	to.Set(Header, s)
	return nil
}

// Extract finds a reference in headers: in the header tidemark-write, else in the
// member of that name of a W3C baggage header. It returns ErrNoRef when there is
// none, and ErrRef when it cannot be read.
func Extract(from Carrier) (WriteRef, error) {
	if s := from.Get(Header); s != "" {
		return ParseRef(s)
	}
	for member := range strings.SplitSeq(from.Get("baggage"), ",") {
		name, value, _ := strings.Cut(member, "=")
		if strings.TrimSpace(name) != Header {
			continue
		}
		value, _, _ = strings.Cut(value, ";") // the properties of a member say nothing here
		s, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return WriteRef{}, fmt.Errorf("%w: in baggage: %w", ErrRef, err)
		}
		return ParseRef(s)
	}
	return WriteRef{}, fmt.Errorf("client: %w", ErrNoRef)
}

// BaggageMember is the reference as a member of a W3C baggage header, for systems
// that pass on baggage but no headers of their own.
func (r WriteRef) BaggageMember() string { return Header + "=" + url.QueryEscape(r.String()) }

type refKey struct{}

// ContextWithWrite returns a context that carries a reference.
func ContextWithWrite(ctx context.Context, r WriteRef) context.Context {
	return context.WithValue(ctx, refKey{}, r)
}

// WriteFromContext returns the reference that ContextWithWrite put there.
func WriteFromContext(ctx context.Context) (WriteRef, bool) {
	r, ok := ctx.Value(refKey{}).(WriteRef)
	return r, ok
}
