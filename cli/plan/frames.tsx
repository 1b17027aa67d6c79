/**
 * The screen as lines. Ink lays the components out; what it gives is not written to the terminal by it, since it clears
 * the scrollback where an output is as high as the screen (vadimdemedes/ink#935), lets control sequences through, and
 * draws nothing where the variable CI is set.
 */

import { Writable } from 'node:stream';
import { type Instance, render } from 'ink';
import { App, type AppProps } from './app.tsx';

/** Takes what Ink writes; `columns` is what it asks a terminal for. */
class Sink extends Writable {
  columns = 80;
  frame = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.frame = chunk.toString();
    done();
  }
}

export class Frames {
  readonly #sink = new Sink();
  #instance: Instance | null = null;
  #failure: unknown = null;

  /** @throws what a view threw */
  draw(props: AppProps): readonly string[] {
    this.#sink.columns = props.layout.width;
    const app = <App {...props} />;
    if (this.#instance === null) this.#instance = this.#begin(app);
    else this.#instance.rerender(app);
    if (this.#failure !== null) throw this.#failure;
    return this.#sink.frame.split('\n');
  }

  close(): void {
    this.#instance?.unmount();
  }

  #begin(app: React.ReactElement): Instance {
    // Of a stream it uses nothing but `write` and `columns` in this mode, in which each frame is written at once and whole.
    const stdout = this.#sink as unknown as NodeJS.WriteStream;
    const instance = render(app, {
      ...{ stdout, debug: true, exitOnCtrlC: false, patchConsole: false, isScreenReaderEnabled: false },
    });
    instance.waitUntilExit().catch((error: unknown) => {
      this.#failure = error;
    });
    return instance;
  }
}
