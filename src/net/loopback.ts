/** A server of this process for programs on the same machine, and whether a port of it is in use. */
import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';

export interface LoopbackListener {
  readonly port: number;
  /** Ends all connections, also those in use. */
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. Rejects with what the system says when there is none. */
export function listenOnLoopback(answer: RequestListener): Promise<LoopbackListener> {
  const server = createServer(answer);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') return reject(new Error('no port'));
      return resolve({
        port: address.port,
        async close() {
          const closed = new Promise<void>((done) => server.close(() => done()));
          server.closeAllConnections();
          await closed;
        },
      });
    });
  });
}

/** True when a process listens on that port of 127.0.0.1, also where it is too busy to accept within a second. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 });
    const done = (listening: boolean) => () => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', done(true));
    socket.once('timeout', done(true));
    socket.once('error', done(false));
  });
}
