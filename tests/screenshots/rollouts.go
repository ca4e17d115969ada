package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidemark/tests/browser"
)

// moment is a time after the demonstration's rollouts began, and what is worth seeing
// then.
type moment struct {
	after time.Duration
	name  string
	acts  bool // also the pages that ask before something is done
}

// moments are when both rollouts have just begun, when the bad one drains, when the good
// one is half way, and when both are over.
func moments() []moment {
	return []moment{{8 * time.Second, "begun", true}, {75 * time.Second, "caught", false}, {150 * time.Second, "half", true}, {330 * time.Second, "over", true}}
}

// pictureRollouts pictures the rollouts of a demonstration while they run.
func pictureRollouts(ctx context.Context, o options) error {
	b, err := browser.Open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	t, err := b.Tab(browser.Look{Width: browser.Wide, Height: 900})
	if err != nil {
		return err
	}
	if err := t.SignIn(o.signIn); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", o.out, err)
	}
	list, err := begun(ctx, t, o.url)
	if err != nil {
		return err
	}
	start := time.Now()
	for _, m := range moments() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(start.Add(m.after))):
		}
		for _, look := range looks() {
			if err := pictureMoment(b, look, m, list, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// begun waits until two rollouts are listed, and returns their addresses.
func begun(ctx context.Context, t *browser.Tab, base string) ([]string, error) {
	for {
		if _, err := t.Go(base + "/rollouts"); err != nil {
			return nil, err
		}
		list, err := browser.Eval[[]string](t, `[...new Set([...document.querySelectorAll("a[href^='/rollouts/']")].map(a => a.getAttribute("href")))]`)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(s string) bool { return s == "/rollouts/new" || strings.Count(s, "/") != 2 })
		if len(list) >= 2 {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func pictureMoment(b *browser.Browser, look browser.Look, m moment, list []string, o options) error {
	t, err := b.Tab(look)
	if err != nil {
		return err
	}
	defer t.Close()
	pages := map[string]string{"overview": "/", "rollouts": "/rollouts"}
	for i, path := range list {
		pages[fmt.Sprintf("rollout-%d", i+1)] = path
		if m.acts {
			for _, verb := range []string{"revert", "pause", "advance", "break-pins"} {
				pages[fmt.Sprintf("rollout-%d-%s", i+1, verb)] = path + "/" + verb
			}
		}
	}
	if m.acts {
		pages["rollout-new"] = "/rollouts/new"
	}
	for name, path := range pages {
		if _, err := t.Go(o.url + path); err != nil {
			return err
		}
		if err := t.Until(`document.documentElement.classList.contains("js")`, 10*time.Second); err != nil {
			return err
		}
		png, err := t.Picture()
		if err != nil {
			return err
		}
		file := filepath.Join(o.out, fmt.Sprintf("%s-%s-%d-%s.png", m.name, name, look.Width, theme(look)))
		if err := os.WriteFile(file, png, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		fmt.Println(file)
	}
	return nil
}
