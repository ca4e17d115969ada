// Package flags holds the nouns of what is promised and controlled: consistency
// models, the guarantees that features give their readers, the documents that
// state them, the alerts that say when one is in danger, and the contracts that
// a store of them must keep.
//
// The subpackages are verbs over those nouns: guarantee (read, compare, change
// and judge promises), alert (tell people), access (who may do what).
package flags
