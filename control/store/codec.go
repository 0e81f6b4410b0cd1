package store

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"onramp/resource"
)

// The keys. An id's key begins with a slash.
//
//	/onramp/v1/objects/<kind>/subscriptions/…   the document, JSON
//	/onramp/v1/operations/<id>                  Operation, JSON
//	/onramp/v1/open/<id>                        the same once more while it has not ended
//	/onramp/v1/claims/<space>/<number>          owner
//	/onramp/v1/owners/<owner>/<space>           number
const (
	rootKey       = "/onramp/v1/"
	objectsKey    = rootKey + "objects/"
	operationsKey = rootKey + "operations/"
	openKey       = rootKey + "open/"
	claimsKey     = rootKey + "claims/"
	ownersKey     = rootKey + "owners/"
)

func kindKey(k resource.Kind) string      { return objectsKey + string(k) }
func objectKey(id resource.ID) string     { return kindKey(id.Kind()) + id.Root().Key() }
func operationKey(id string) string       { return operationsKey + url.PathEscape(id) }
func openOperationKey(id string) string   { return openKey + url.PathEscape(id) }
func spaceKey(space string) string        { return claimsKey + url.PathEscape(space) + "/" }
func claimKey(space string, n int) string { return fmt.Sprintf("%s%010d", spaceKey(space), n) }
func ownerKey(owner string) string        { return ownersKey + url.PathEscape(strings.ToLower(owner)) + "/" }

// encodeObject gives the stored form: the revision belongs to the key, not to the value.
func encodeObject(o resource.Object) ([]byte, error) {
	h := o.Head()
	rev := h.Revision
	h.Revision = 0
	b, err := json.Marshal(o)
	h.Revision = rev
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", h.ID, err)
	}
	return b, nil
}

func decodeObject(e entry) (resource.Object, error) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(e.key, objectsKey), "/")
	o, err := resource.New(resource.Kind(kind))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", e.key, err)
	}
	if err := json.Unmarshal(e.value, o); err != nil {
		return nil, fmt.Errorf("decode %s: %w", e.key, err)
	}
	o.Head().Revision = e.rev
	return o, nil
}

func encodeOperation(op *Operation) ([]byte, error) {
	b, err := json.Marshal(op)
	if err != nil {
		return nil, fmt.Errorf("encode operation %s: %w", op.ID, err)
	}
	return b, nil
}

func decodeOperation(e entry) (*Operation, error) {
	op := &Operation{}
	if err := json.Unmarshal(e.value, op); err != nil {
		return nil, fmt.Errorf("decode %s: %w", e.key, err)
	}
	if op.Revision == 0 {
		op.Revision = e.rev
	}
	return op, nil
}

// newEtag is a fresh entity tag in Azure's form.
func newEtag() string {
	var b [16]byte
	rand.Read(b[:])         // never returns an error (crypto/rand)
	b[6] = b[6]&0x0f | 0x40 // RFC 9562 version 4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf(`W/"%x-%x-%x-%x-%x"`, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
