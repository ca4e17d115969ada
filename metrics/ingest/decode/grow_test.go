package decode

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"
)

// TestBytesThatGrowAreBooked: those that are not UTF-8, and base64, before they are copied.
func TestBytesThatGrowAreBooked(t *testing.T) {
	t.Parallel()
	errFull := errors.New("full")
	bad := bytes.Repeat([]byte{0xff}, 2<<20)
	event := append(append([]byte(`{"feature":"f","kind":"initiated","write_id":"`), bad...), `"}`...)
	cloud := []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"` + base64.StdEncoding.EncodeToString(event) + `"}`)
	spans := append(append([]byte(`{"resourceSpans":[],"x":"`), bad...), `"}`...)
	for name, c := range map[string]struct {
		least int64
		read  func(b *Batch) error
	}{
		"native":   {6 << 20, func(b *Batch) error { return Native(event, "application/json", b) }},
		"debezium": {6 << 20, func(b *Batch) error { return Debezium(event, "application/json", &Options{}, b) }},
		"base64": {8 << 20, func(b *Batch) error {
			return CloudEvents(http.Header{}, FormatCloudEvent, cloud, &Options{}, b)
		}},
		"traces": {6 << 20, func(b *Batch) error { return Traces(spans, true, &Options{}, b) }},
		"logs":   {6 << 20, func(b *Batch) error { return Logs(spans, true, &Options{}, b) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &Batch{Book: func(n int64) error {
				if n >= c.least {
					return errFull
				}
				return nil
			}}
			if err := c.read(b); !errors.Is(err, errFull) {
				t.Errorf("%v, want that there is no memory for it", err)
			}
		})
	}
}
