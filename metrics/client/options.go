package client

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"tidemark/metrics"
)

// Compression of requests.
type Compression string

// The compressions that a server takes.
const (
	Zstd         Compression = "zstd"
	Gzip         Compression = "gzip"
	Uncompressed Compression = "identity"
)

// Options say what to report to, as whom, and how. Zero values take the default.
type Options struct {
	URL string // base of the server, http or https; required
	Key string // API key with a publish or consume scope; required

	Service string // who reports; fills in events that do not say
	Region  string // fills in events that do not say
	ClockID string // whose clock stamps the events; default: Service

	MaxEvents   int           // events a request; default 500, at most 20,000
	MaxBytes    int           // bytes a request before compression; default 1 MiB, at most 16 MiB
	MaxAge      time.Duration // how long an event may wait for company; default 1 s
	MaxBuffered int           // bytes kept in memory, requests under way included; default 32 MiB
	Senders     int           // requests under way at once; default 2, at most 64
	Compression Compression   // default Zstd

	RetryMin time.Duration // first wait before sending again, doubled each time; default 200 ms
	RetryMax time.Duration // longest wait, unless the server asks for more; default 30 s

	// MeasureClock is how often the offset to the server's clock is measured; default
	// 1 min, negative = never. Events of this clock carry the offset.
	MeasureClock time.Duration

	// OnReject is told of each event that the server refused for good, OnError of
	// each failed request. Both are called from a background goroutine, must return
	// soon, and may be nil.
	OnReject func(metrics.Rejection)
	OnError  func(error)
	// OnQuarantine is told how many events of a request are durable and yet counted
	// nowhere, because nobody declared a label of theirs, and what to do. As OnReject.
	OnQuarantine func(events int, message string)

	HTTP *http.Client     // default: one of its own with a timeout of 30 s and no redirects
	Now  func() time.Time // default time.Now
}

const (
	hardEvents  = 20_000
	hardBytes   = 16 << 20
	hardSenders = 64
)

// defaults fills in zero values and says what cannot be used.
func (o *Options) defaults() error {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("client: URL %q: want http://HOST:PORT or https://HOST", o.URL)
	}
	if o.Key == "" {
		return fmt.Errorf("client: Key is empty; create one with tidemark keys create")
	}
	number(&o.MaxEvents, 500)
	number(&o.MaxBytes, 1<<20)
	number(&o.MaxBuffered, 32<<20)
	number(&o.Senders, 2)
	number(&o.MaxAge, time.Second)
	number(&o.RetryMin, 200*time.Millisecond)
	number(&o.RetryMax, 30*time.Second)
	number(&o.MeasureClock, time.Minute)
	if o.Compression == "" {
		o.Compression = Zstd
	}
	if o.ClockID == "" {
		o.ClockID = o.Service
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect would carry the key elsewhere
		}}
	}
	return o.limits()
}

func (o *Options) limits() error {
	switch {
	case o.MaxEvents < 1 || o.MaxEvents > hardEvents:
		return fmt.Errorf("client: MaxEvents %d: want 1 to %d", o.MaxEvents, hardEvents)
	case o.MaxBytes < 1 || o.MaxBytes > hardBytes:
		return fmt.Errorf("client: MaxBytes %d: want 1 to %d", o.MaxBytes, hardBytes)
	case o.MaxBuffered < o.MaxBytes:
		return fmt.Errorf("client: MaxBuffered %d: want at least MaxBytes, %d", o.MaxBuffered, o.MaxBytes)
	case o.Senders < 1 || o.Senders > hardSenders:
		return fmt.Errorf("client: Senders %d: want 1 to %d", o.Senders, hardSenders)
	case o.MaxAge < 0 || o.RetryMin < 0 || o.RetryMax < o.RetryMin:
		return fmt.Errorf("client: MaxAge %v, RetryMin %v, RetryMax %v: want 0 or more, and RetryMin at most RetryMax", o.MaxAge, o.RetryMin, o.RetryMax)
	}
	switch o.Compression {
	case Zstd, Gzip, Uncompressed:
		return nil
	}
	return fmt.Errorf("client: Compression %q: want %s, %s or %s", o.Compression, Zstd, Gzip, Uncompressed)
}

func number[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
