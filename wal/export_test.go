package wal

// DecodePayload decodes the payload of a frame into b.
func DecodePayload(b *Batch, first uint64, count uint32, payload []byte) error {
	return decodePayload(b, first, count, payload)
}

// FrameHeadSize and FileHeadSize are the sizes of the headers.
const (
	FrameHeadSize = frameHeadSize
	FileHeadSize  = fileHeadSize
)
