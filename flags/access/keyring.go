package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// KeyringOptions configure a Keyring.
type KeyringOptions struct {
	Store Store
	Now   func() time.Time // default time.Now
	// Fresh is how long a key read from the store is believed, and so how long a key
	// that another process revoked still works; default 5 s.
	Fresh time.Duration
	// MaxCached bounds the keys held in memory; default 10,000.
	MaxCached int
}

// Keyring turns keys into identities. It keeps keys that were used lately in
// memory, so that the store is not asked for every request, and gathers their last
// use. It is safe for concurrent use.
type Keyring struct {
	o KeyringOptions

	mu     sync.RWMutex
	cached map[string]*cachedKey            // by id
	byHash map[[sha256.Size]byte]*cachedKey // the same keys by the hash of their text
	forgot uint64                           // grows with each Forget
	used   map[string]time.Time
}

type cachedKey struct {
	key      Key
	identity *Identity
	read     time.Time
	touched  atomic.Int64 // Unix ns of the use that was noted last
}

// NewKeyring returns a Keyring.
func NewKeyring(o KeyringOptions) *Keyring {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fresh <= 0 {
		o.Fresh = 5 * time.Second
	}
	if o.MaxCached <= 0 {
		o.MaxCached = 10_000
	}
	return &Keyring{
		o: o, cached: map[string]*cachedKey{}, byHash: map[[sha256.Size]byte]*cachedKey{}, used: map[string]time.Time{},
	}
}

// Identify returns the identity of a key's text. Errors wrap ErrUnauthenticated,
// except when the store fails. Why a key is not good is said only to those who
// hold its secret.
func (r *Keyring) Identify(ctx context.Context, token string) (*Identity, error) {
	now := r.o.Now()
	if c := r.known(token, now); c != nil {
		r.touch(c, now)
		return c.identity, nil
	}
	id, err := KeyID(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	c, err := r.lookup(ctx, id, now)
	if errors.Is(err, ErrNoKey) || (err == nil && !c.key.Is(token)) {
		return nil, fmt.Errorf("%w: unknown API key", ErrUnauthenticated)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case !c.key.RevokedAt.IsZero():
		return nil, fmt.Errorf("%w: the API key %s was revoked", ErrUnauthenticated, id)
	case !c.key.Live(now):
		return nil, fmt.Errorf("%w: the API key %s has expired", ErrUnauthenticated, id)
	}
	r.touch(c, now)
	return c.identity, nil
}

// IdentityOf returns the identity that a key gives, by the key's id: for whoever
// showed the key before, and holds a token of ours for it now. Errors are those of
// Identify.
func (r *Keyring) IdentityOf(ctx context.Context, id string) (*Identity, error) {
	now := r.o.Now()
	c, err := r.lookup(ctx, id, now)
	if errors.Is(err, ErrNoKey) || (err == nil && !c.key.Live(now)) {
		return nil, fmt.Errorf("%w: the API key %s is not good any more", ErrUnauthenticated, id)
	}
	if err != nil {
		return nil, err
	}
	return c.identity, nil
}

// known returns the live key whose hash is that of the text, when it is in memory:
// whoever has a text with that hash has the key, so there is nothing else to check.
func (r *Keyring) known(token string, now time.Time) *cachedKey {
	if len(token) > maxToken {
		return nil
	}
	sum := sha256.Sum256([]byte(token))
	r.mu.RLock()
	c := r.byHash[sum]
	r.mu.RUnlock()
	if c == nil || now.Sub(c.read) >= r.o.Fresh || !c.key.Live(now) {
		return nil
	}
	return c
}

func (r *Keyring) lookup(ctx context.Context, id string, now time.Time) (*cachedKey, error) {
	r.mu.RLock()
	c, forgot := r.cached[id], r.forgot
	r.mu.RUnlock()
	if c != nil && now.Sub(c.read) < r.o.Fresh {
		return c, nil
	}
	k, err := r.o.Store.Key(ctx, id)
	if err != nil {
		return nil, err
	}
	c = &cachedKey{key: k, identity: ServiceIdentity(&k), read: now}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forgot != forgot {
		return c, nil // A key changed while this one was read: it may be the one.
	}
	if len(r.cached) >= r.o.MaxCached {
		clear(r.cached)
		clear(r.byHash)
	}
	r.cached[id], r.byHash[k.Hash] = c, c
	return c, nil
}

// touch notes a use, at most once a second for each key, so that requests of one
// key seldom meet at the lock.
func (r *Keyring) touch(c *cachedKey, now time.Time) {
	last := c.touched.Load()
	if now.UnixNano()-last < int64(time.Second) || !c.touched.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	r.mu.Lock()
	r.used[c.key.ID] = now
	r.mu.Unlock()
}

// Forget drops a key from memory: call it when the key changes.
func (r *Keyring) Forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgot++
	if c := r.cached[id]; c != nil {
		delete(r.cached, id)
		delete(r.byHash, c.key.Hash)
	}
}

// ForgetAll drops every key from memory: call it when any may have changed.
func (r *Keyring) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgot++
	clear(r.cached)
	clear(r.byHash)
}

// Flush writes the last uses to the store. On error they are kept for the next time.
func (r *Keyring) Flush(ctx context.Context) error {
	r.mu.Lock()
	used := r.used
	r.used = map[string]time.Time{}
	r.mu.Unlock()
	if len(used) == 0 {
		return nil
	}
	if err := r.o.Store.TouchKeys(ctx, used); err != nil {
		r.mu.Lock()
		maps.Copy(used, r.used)
		r.used = used
		r.mu.Unlock()
		return fmt.Errorf("last use of keys: %w", err)
	}
	return nil
}
