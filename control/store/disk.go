package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// segmentBytes is the size of the pieces of etcd's log; it allocates one ahead. etcd's own 64 MB would not fit twice on the small
	// file systems that labs and test machines have.
	segmentBytes = 16 << 20
	// headroomBytes must be free for a write to start: a piece of the log, growth of the database, and a snapshot.
	headroomBytes = 48 << 20
	// reserveBytes beyond its end are kept for the database, which grows by 16 MB at a time.
	reserveBytes = 16 << 20
)

// disk stands between writes and a full file system. etcd ends its process when its log or its database meets one, so writes stop before:
// they need headroom, and the blocks that the database may touch next are allocated in advance, so that the writes under way when somebody
// else fills the disk find their place.
type disk struct {
	dir      string
	database string
	headroom int64

	mu       sync.Mutex
	reserved int64 // bytes of the database file that have blocks
}

// writable is ErrUnavailable while too little space is free.
func (d *disk) writable() error {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return fmt.Errorf("%w: data directory %s: %v", ErrUnavailable, d.dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < d.headroom {
		return fmt.Errorf("%w: the disk of %s is full: %d MB free, %d MB needed; free some space, nothing is lost",
			ErrUnavailable, d.dir, free>>20, d.headroom>>20)
	}
	if err := d.reserve(); err != nil {
		return fmt.Errorf("%w: reserve space for %s: %v", ErrUnavailable, d.database, err)
	}
	return nil
}

// reserve gives the database file blocks for what it has and what it grows by next. It costs one stat when nothing has changed.
func (d *disk) reserve() error {
	st, err := os.Stat(d.database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the server has not started yet
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reserved >= st.Size()+reserveBytes/2 {
		return nil
	}
	f, err := os.OpenFile(d.database, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	want := st.Size() + reserveBytes
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, want)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	d.reserved = want
	return nil
}
