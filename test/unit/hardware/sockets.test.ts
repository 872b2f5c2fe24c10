import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSockets, socketFor } from '../../../src/hardware/server-process.ts';

describe('sockets', () => {
  const row = (address: string, state = '0A') => `  0: ${address}:2CAA 0:0 ${state} 0:0 00:0 0  998  0 77 1`;
  test.each([
    ['0100007F', '127.0.0.1'],
    ['00000000', '0.0.0.0'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000001000000', '::1'],
    ['0000000000000000FFFF00000100007F', '127.0.0.1'],
    ['B80D0120000000000000000001000000', '2001:db8:0:0:0:0:0:1'],
  ])('%s is %s', (hex, address) => {
    expect(parseSockets(row(hex))).toEqual([{ address, port: 11434, uid: 998, inode: '77' }]);
  });
  test('only sockets that listen, and never an error', () => {
    expect(parseSockets(row('0100007F', '01'))).toEqual([]);
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseSockets(text))));
  });
  test('the nearest match: its own address, loopback, any address', () => {
    const socket = (address: string, port = 1) => ({ address, port, uid: 0, inode: address });
    const all = [socket('0.0.0.0'), socket('127.0.0.1'), socket('192.0.2.7'), socket('127.0.0.1', 2)];
    expect(socketFor(all, '192.0.2.7', 1)?.address).toBe('192.0.2.7');
    expect(socketFor(all, 'localhost', 1)?.address).toBe('127.0.0.1');
    expect(socketFor(all, '192.0.2.9', 1)?.address).toBe('0.0.0.0');
    expect(socketFor(all, '192.0.2.9', 2)).toBeUndefined();
  });
});
