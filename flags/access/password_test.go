package access_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"tidemark/flags/access"
)

// cheap keeps tests quick; the program itself uses access.DefaultCost.
func cheap() access.PasswordCost { return access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1} }

func TestAPasswordIsKnownByItsHash(t *testing.T) {
	t.Parallel()
	p := access.NewPasswords(cheap())
	hash, err := p.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash %q", hash)
	}
	if again, _ := p.Hash(t.Context(), "correct horse battery"); again == hash {
		t.Error("two hashes of one password are the same: no salt")
	}
	for password, want := range map[string]bool{
		"correct horse battery": true, "correct horse batterY": false, "": false, strings.Repeat("x", 300): false,
	} {
		ok, stale, err := p.Check(t.Context(), hash, password)
		if err != nil || ok != want || stale {
			t.Errorf("%q: %v, stale %v, %v; want %v", password, ok, stale, err, want)
		}
	}
	if ok, _, err := p.Check(t.Context(), "", "correct horse battery"); ok || err != nil {
		t.Errorf("no hash: %v, %v", ok, err)
	}
}

func TestOneAccentIsOnePassword(t *testing.T) {
	t.Parallel()
	p := access.NewPasswords(cheap())
	hash, err := p.Hash(t.Context(), "caf\u00e9 au lait, please")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := p.Check(t.Context(), hash, "cafe\u0301 au lait, please"); !ok || err != nil {
		t.Errorf("the decomposed form: %v, %v", ok, err)
	}
}

func TestAChangedCostIsNoticed(t *testing.T) {
	t.Parallel()
	hash, err := access.NewPasswords(cheap()).Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	dearer := cheap()
	dearer.Passes++
	ok, stale, err := access.NewPasswords(dearer).Check(t.Context(), hash, "correct horse battery")
	if !ok || !stale || err != nil {
		t.Errorf("%v, stale %v, %v", ok, stale, err)
	}
}

func TestDamagedHashesAreRefusedBeforeTheyCost(t *testing.T) {
	t.Parallel()
	p := access.NewPasswords(cheap())
	for _, hash := range []string{
		"x", "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$AA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$",
	} {
		if ok, _, err := p.Check(t.Context(), hash, "x"); ok || err == nil {
			t.Errorf("%q: %v, %v", hash, ok, err)
		}
	}
}

func TestWhichPasswordsMayBeChosen(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{
		"correct horse battery":   "",
		"короткий-пароль":         "",
		"eleven char":             "at least 12",
		strings.Repeat("ab", 10):  "different characters",
		strings.Repeat("abc", 99): "at most 256",
		"Administrator":           "is the name",
		"not text \xff\xfe\xfd!!": "valid text",
	} {
		err := access.CheckPassword("administrator", password)
		if (err == nil) != (want == "") || (err != nil && (!strings.Contains(err.Error(), want) || !errors.Is(err, access.ErrPassword))) {
			t.Errorf("%q: %v; want %q", password, err, want)
		}
	}
}

// TestTooManyPasswordsAtOnceAreRefused fills every place: two are worked on, 32 wait,
// and the next is told to come back.
func TestTooManyPasswordsAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := access.NewPasswords(cheap())
		release := p.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		results := make(chan error, 100)
		for range 40 {
			wg.Go(func() {
				_, err := p.Hash(ctx, "correct horse battery")
				results <- err
			})
		}
		synctest.Wait()
		busy := 0
		for len(results) > 0 {
			if err := <-results; !errors.Is(err, access.ErrBusy) {
				t.Errorf("%v; want ErrBusy", err)
			}
			busy++
		}
		if busy != 40-32 {
			t.Errorf("%d of 40 were refused; want 8", busy)
		}
		cancel() // Those who wait give up with their request.
		wg.Wait()
		release()
		if _, err := p.Hash(t.Context(), "correct horse battery"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
