/** Server-sent events from a byte stream, as the HTML standard reads them: split chunks, CR, LF, CRLF, BOM, comments. */
export interface Frame {
  id: string
  event: string
  data: string
}

const LINE_END = /\r\n|\r|\n/

export class FrameParser {
  private rest = ''
  private first = true
  private afterReturn = false
  private data: string[] = []
  private event = ''
  private id = ''

  /** Feed decoded text; gives the frames that it completes. */
  feed(chunk: string): Frame[] {
    let text = chunk
    if (text === '') return []
    if (this.first && text.charCodeAt(0) === 0xfeff) text = text.slice(1)
    this.first = false
    // A line feed that belongs to the carriage return of the chunk before ends no second line.
    if (this.afterReturn && text.startsWith('\n')) text = text.slice(1)
    this.afterReturn = chunk.endsWith('\r')
    const lines = (this.rest + text).split(LINE_END)
    this.rest = lines.pop() ?? ''
    const frames: Frame[] = []
    for (const line of lines) this.line(line, frames)
    return frames
  }

  private line(line: string, frames: Frame[]): void {
    if (line === '') {
      if (this.data.length) frames.push({ id: this.id, event: this.event || 'message', data: this.data.join('\n') })
      this.data = []
      this.event = ''
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? line : line.slice(0, colon)
    let value = colon < 0 ? '' : line.slice(colon + 1)
    if (value.startsWith(' ')) value = value.slice(1)
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.event = value
    else if (field === 'id' && !value.includes('\0')) this.id = value
  }
}
