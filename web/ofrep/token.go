package ofrep

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"tidemark/flags/access"
)

// A browser opens a stream without any header of ours, so its address carries a
// token: base64url of the epoch (8 bytes), the first 16 bytes of an HMAC-SHA-256 over
// epoch and key id, and the key id. All tokens of an epoch are good until the next
// one ends, so they are between one and two epochs old when they expire; and within an
// epoch the address stays the same, so that a client that asks again need not
// connect again.
const (
	epochLength = time.Hour
	macLen      = 16
	maxStream   = 256 // bytes of a token's text
)

// errToken is about a token that is not good (any more). It says nothing else: only
// a fresh answer to a bulk evaluation helps.
var errToken = errors.New("the token of this stream is not valid any more; evaluate the flags again for a new one")

func epochOf(now time.Time) int64 { return now.UnixNano() / int64(epochLength) }

// streamToken returns the token for whoever asks, and its epoch. People have none:
// their pages listen with their session.
func (h *Handler) streamToken(id *access.Identity, now time.Time) (token string, epoch int64) {
	if id == nil || id.KeyID == "" {
		return "", 0
	}
	epoch = epochOf(now)
	return h.tokens.get(id.KeyID, epoch, h.sign), epoch
}

// tokens are those of the epoch that were asked for lately.
type tokens struct {
	mu    sync.RWMutex
	epoch int64
	byKey map[string]string
}

// maxTokens bounds how many tokens are remembered; more are made anew.
const maxTokens = 10_000

func (t *tokens) get(keyID string, epoch int64, sign func(string, int64) string) string {
	t.mu.RLock()
	token, ok := t.byKey[keyID]
	ok = ok && t.epoch == epoch
	t.mu.RUnlock()
	if ok {
		return token
	}
	token = sign(keyID, epoch)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch != epoch || t.byKey == nil || len(t.byKey) >= maxTokens {
		t.epoch, t.byKey = epoch, map[string]string{}
	}
	t.byKey[keyID] = token
	return token
}

func (h *Handler) sign(keyID string, epoch int64) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 8+macLen+len(keyID)), uint64(epoch))
	raw = append(raw, h.mac(keyID, epoch)...)
	raw = append(raw, keyID...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (h *Handler) mac(keyID string, epoch int64) []byte {
	m := hmac.New(sha256.New, h.o.Secret)
	m.Write([]byte("ofrep stream\x00"))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(epoch)))
	m.Write([]byte(keyID))
	return m.Sum(nil)[:macLen]
}

// verify returns the key that a token was made for, and when the token ends.
func (h *Handler) verify(token string, now time.Time) (keyID string, ends time.Time, err error) {
	if len(token) > maxStream || strings.ContainsAny(token, "\r\n") { // the decoder skips line breaks
		return "", ends, errToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= 8+macLen {
		return "", ends, errToken
	}
	epoch, keyID := int64(binary.BigEndian.Uint64(raw)), string(raw[8+macLen:])
	if !hmac.Equal(raw[8:8+macLen], h.mac(keyID, epoch)) {
		return "", ends, errToken
	}
	if this := epochOf(now); epoch != this && epoch != this-1 {
		return "", ends, errToken
	}
	return keyID, time.Unix(0, (epoch+2)*int64(epochLength)), nil
}

// tokenError is errToken as the server's table of errors knows it.
func tokenError() error { return fmt.Errorf("%w: %w", access.ErrUnauthenticated, errToken) }
