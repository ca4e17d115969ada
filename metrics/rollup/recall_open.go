package rollup

import (
	"fmt"

	"tidemark/metrics"
)

// Open writes that were put down come back when something happens to their key, since a
// later version may satisfy them: once, however many events follow, and a part at a time
// where there are more than there is time for.

// openPage is how many of them are asked for at once.
const openPage = 256

// openBack is how far those of a key that the store has are back.
type openBack struct {
	whole bool   // all of them
	after string // the id of the last one, until then
	again bool   // some that are not back may come before it
}

// putDown are the ids of open writes that were put down and that the store does not have
// yet, by key.
type putDown map[metrics.Entity]map[string]struct{}

func (p putDown) add(k *keyState, id string) {
	ids := p[k.entity]
	if ids == nil {
		ids = map[string]struct{}{}
		p[k.entity] = ids
	}
	ids[id] = struct{}{}
}

func (p putDown) drop(k *keyState, id string) {
	ids, ok := p[k.entity]
	if !ok {
		return
	}
	if delete(ids, id); len(ids) == 0 {
		delete(p, k.entity)
	}
}

// lookAgain lets those that the store has now, and that are not back, be found there.
func (e *Engine) lookAgain(stored putDown) {
	for ent := range stored {
		for k := e.keys.get(ent); k != nil; k = k.next {
			k.back = openBack{after: k.back.after, again: k.back.after != ""}
		}
	}
}

// recallOpen brings the open writes of a key back, so that a later version can satisfy
// them. Those for which there is no time now come with a later event.
func (e *Engine) recallOpen(k *keyState) {
	if e.silent || e.loaded.depth > 0 || e.ctx == nil || !e.openKeys.has(uint64(k.entity)) {
		return
	}
	if k.back.whole && len(e.putDown[k.entity])+len(e.puttingDown[k.entity]) == 0 {
		return
	}
	for _, down := range []putDown{e.putDown, e.puttingDown} {
		for id := range down[k.entity] {
			if err := e.recallOne(k, id); err != nil {
				e.note(err)
				return
			}
			down.drop(k, id)
		}
	}
	for !k.back.whole {
		if err := e.recallStored(k); err != nil {
			e.note(err)
			return
		}
	}
}

// recallStored brings back the next ones of those that the store has.
func (e *Engine) recallStored(k *keyState) error {
	if !e.reload.allows(k.f) {
		return errSkip
	}
	begin := e.opts.Now()
	ids, err := e.store.SpilledOf(e.ctx, k.entity, k.back.after, openPage)
	e.reload.spend(k.f, e.opts.Now().Sub(begin))
	if err != nil {
		return fmt.Errorf("look for open writes of key %q: %w", k.key, err)
	}
	for _, id := range ids {
		if err := e.recallOne(k, id); err != nil {
			return err
		}
		k.back.after = id
	}
	if len(ids) < openPage {
		k.back = openBack{whole: !k.back.again}
	}
	return nil
}

func (e *Engine) recallOne(k *keyState, id string) error {
	ent := metrics.WriteEntity(id)
	if e.lookupWrite(ent, k.f, id) != nil {
		return nil
	}
	return e.recallWrite(e.ctx, k.f, ent)
}
