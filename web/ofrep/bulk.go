package ofrep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags/eval"
	"tidemark/web/auth"
)

// inactivityDelay is after how many seconds in the background a page had better close
// its stream.
const inactivityDelay = 120

// bulk answers what one unit gets of every flag, or that nothing changed since.
func (h *Handler) bulk(c echo.Context) error {
	s := h.take()
	defer h.put(s)
	if err := s.read(c.Request()); err != nil {
		return refuse(c, err, nil)
	}
	now := h.o.Now()
	set := h.o.Flags.Set()
	token, epoch := h.streamToken(auth.Who(c), now)
	var seen fingerprint
	s.out = append(s.out[:0], `{"flags":[`...)
	counts := counted(c)
	set.EvaluateAll(s.ctx, now, func(r *eval.Result) {
		seen.add(r)
		s.out = append(r.AppendJSON(s.out), ',')
		if counts {
			h.o.Flags.Observe(set, r)
		}
	})
	s.out = bytes.TrimSuffix(s.out, []byte(","))
	if counts {
		h.o.Flags.Asked(s.ctx)
	}
	etag := seen.etag(set.Hash(), epoch)
	c.Response().Header()["Etag"] = []string{etag}
	if matches(c.Request().Header.Get("If-None-Match"), etag) {
		return c.NoContent(http.StatusNotModified)
	}
	metadata, err := h.metadataOf(set)
	if err != nil {
		return err
	}
	s.out = append(append(s.out, `],"metadata":`...), metadata...)
	s.out = append(appendStreams(s.out, token), '}')
	return send(c, http.StatusOK, s.out)
}

// setMetadata is the metadata of one set, as JSON.
type setMetadata struct {
	of   *eval.Set
	json []byte
}

func (h *Handler) metadataOf(set *eval.Set) ([]byte, error) {
	if m := h.meta.Load(); m != nil && m.of == set {
		return m.json, nil
	}
	values := set.Definition().Metadata
	if values == nil {
		values = map[string]any{}
	}
	b, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("metadata of the flag set: %w", err)
	}
	h.meta.Store(&setMetadata{of: set, json: b})
	return b, nil
}

// appendStreams says where to listen for changes. The host is left to the client,
// which knows how it got here.
func appendStreams(b []byte, token string) []byte {
	if token == "" {
		return b
	}
	b = append(b, `,"eventStreams":[{"type":"sse","endpoint":{"requestUri":"`...)
	b = append(b, pathStream...)
	b = append(b, "?token="...)
	b = append(b, token...)
	b = append(b, `"},"inactivityDelaySec":`...)
	b = strconv.AppendInt(b, inactivityDelay, 10)
	return append(b, `}]`...)
}

// fingerprint tells answers to different contexts apart. It holds what was decided for
// each flag; what that means is in the hash of the set.
type fingerprint uint64

// add takes in the next answer. The order counts: the factor is odd, and the rotation
// brings the high bits to where the next multiplication spreads them.
func (f *fingerprint) add(r *eval.Result) {
	*f = fingerprint(bits.RotateLeft64(uint64(*f)^r.Fingerprint(), 27) * 0x9e3779b97f4a7c15)
}

// etag is of the answers, the flags that gave them, and the stream's address.
func (f fingerprint) etag(setHash string, epoch int64) string {
	b := append(make([]byte, 0, 64), '"')
	b = append(append(b, setHash[:min(16, len(setHash))]...), '-')
	b = append(strconv.AppendUint(b, uint64(f), 16), '-')
	return string(append(strconv.AppendInt(b, epoch, 16), '"'))
}

// matches reports whether an If-None-Match names the entity tag.
func matches(header, etag string) bool {
	if header == "" {
		return false
	}
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
