package flagset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/policy"
)

// Limits of what is stored. Those of a definition are in package eval.
const (
	MaxPlanBytes = 64 << 10 // of one rollout plan, reconciliation rule or set metadata
	maxPlans     = 2000     // of each of these kinds
	maxPolicies  = policy.MaxPolicies
)

// canonical sorts the keys of objects and removes insignificant space; numbers keep
// their text. Equal definitions have equal bytes.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("is not UTF-8 text")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("is more than one JSON value")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot be written as JSON: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// checkName refuses names that could not be told apart, or written in an address.
func checkName(id flags.DocumentID) error {
	n := id.Name
	switch {
	case n == "" || len(n) > eval.MaxKeyBytes || !utf8.ValidString(n):
		return fmt.Errorf("%w: name: must be UTF-8 text of 1 to %d bytes", flags.ErrInvalid, eval.MaxKeyBytes)
	case strings.TrimSpace(n) != n || strings.ContainsFunc(n, func(r rune) bool { return unicode.IsControl(r) || !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: name: %q must not begin or end with space, nor hold what cannot be printed", flags.ErrInvalid, n)
	case id.Kind == flags.KindFlagSet && n != SetName:
		return fmt.Errorf("%w: name: there is one %s, named %q", flags.ErrInvalid, id.Kind, SetName)
	}
	return nil
}

// checkAddress refuses names that browsers cannot ask for: they take . and .. in an
// address, however it is escaped, for a step up. What has such a name can be deleted.
func checkAddress(e *Edit) error {
	if n := e.ID.Name; e.Content != nil && (n == "." || n == "..") {
		return fmt.Errorf("%w: name: %q cannot stand in an address", flags.ErrInvalid, n)
	}
	return nil
}

// feature is what a flag's metadata says it is about, so that the feature's page can
// tell; "" when it does not.
func feature(id flags.DocumentID, content json.RawMessage) string {
	switch id.Kind {
	case flags.KindFlag:
		var f struct {
			Metadata struct {
				Feature any `json:"feature"`
			} `json:"metadata"`
		}
		if json.Unmarshal(content, &f) == nil {
			if s, ok := f.Metadata.Feature.(string); ok {
				return s
			}
		}
	case flags.KindOwnership:
		return id.Name
	case flags.KindRolloutPlan:
		var p struct {
			Feature string `json:"feature"`
		}
		if json.Unmarshal(content, &p) == nil {
			return p.Feature
		}
	}
	return ""
}
