package metrics

import "github.com/zeebo/xxh3"

// EntityKind says what a group of events has in common.
type EntityKind uint8

// The entities by which a store can find events again.
const (
	EntityWrite   EntityKind = iota + 1 // all events that name a write_id
	EntityKey                           // all events of one key of one feature
	EntitySession                       // all events of one session
)

// Entity names a write, a key or a session by a 64-bit hash, so that stores and
// filters need not keep the text. A collision makes a store return events of
// another entity too; callers compare the text.
type Entity uint64

// WriteEntity is the entity of a write.
func WriteEntity(writeID string) Entity { return Entity(xxh3.HashStringSeed(writeID, 1)) }

// SessionEntity is the entity of a session.
func SessionEntity(sessionID string) Entity { return Entity(xxh3.HashStringSeed(sessionID, 3)) }

// KeyEntity is the entity of a key of a feature.
func KeyEntity(feature, key string) Entity {
	return Entity(xxh3.HashStringSeed(key, xxh3.HashStringSeed(feature, 2)))
}

// Entities calls yield with each entity that the event belongs to.
func (e *Event) Entities(yield func(EntityKind, Entity)) {
	if e.WriteID != "" {
		yield(EntityWrite, WriteEntity(e.WriteID))
	}
	if e.Key != "" {
		yield(EntityKey, KeyEntity(e.Feature, e.Key))
	}
	if e.SessionID != "" {
		yield(EntitySession, SessionEntity(e.SessionID))
	}
}
