import { createHash, createHmac } from "node:crypto";
import { namesAt } from "../../../verify/net/names";
import { addressOf, message, parse } from "../../../verify/net/stun";

describe("names without DNS", () => {
  const names = namesAt("10.77.2.2", { "_xmpp-client._tcp": 5222, "_xmpps-client._tcp": false });

  test("are all at the address, services on the ports of the stack config", async () => {
    expect(await names.services("_xmpp-client._tcp", "example.test")).toEqual([
      { name: "10.77.2.2", port: 5222 },
    ]);
    expect(await names.address("upload.example.test")).toBe("10.77.2.2");
  });

  test("a port that is off is no service", async () => {
    await expect(names.services("_xmpps-client._tcp", "example.test")).rejects.toThrow(
      "the stack config has no port for _xmpps-client._tcp",
    );
  });
});

describe("STUN", () => {
  test("a request without log-in is header and attributes, padded to four bytes", () => {
    const request = message(0x0003, [
      [0x0019, Buffer.from([17, 0, 0, 0])],
      [0x0006, Buffer.from("abc")],
    ]);
    expect(request.subarray(0, 8).toString("hex")).toBe("000300102112a442");
    expect(request.subarray(20).toString("hex")).toBe("0019000411000000" + "0006000361626300");
  });

  test("a request with log-in ends with the HMAC of what comes before it, its own length counted", () => {
    const key = createHash("md5").update("user:realm:pass").digest();
    const request = message(0x0003, [[0x0006, Buffer.from("user")]], key);
    expect(request.readUInt16BE(2)).toBe(request.length - 20);
    const signed = request.subarray(0, request.length - 24);
    expect(request.subarray(-24, -20).toString("hex")).toBe("00080014");
    expect(request.subarray(-20)).toEqual(createHmac("sha1", key).update(signed).digest());
  });

  test("the sample answers of RFC 5769 are understood", () => {
    const ipv4 = Buffer.from(
      "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220" +
        "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
      "hex",
    );
    const ipv6 = Buffer.from(
      "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220" +
        "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
      "hex",
    );
    expect(addressOf(parse(ipv4), "mapped")).toBe("192.0.2.1");
    expect(addressOf(parse(ipv6), "mapped")).toBe("2001:db8:1234:5678:11:2233:4455:6677");
  });

  test("an error is told by number and text", () => {
    const refused = Buffer.concat([
      Buffer.alloc(20),
      Buffer.from("0009000b00000401", "hex"),
      Buffer.from("No user"),
      Buffer.alloc(1),
    ]);
    expect(parse(refused).error).toBe("401 No user");
    expect(() => addressOf(parse(refused), "relayed")).toThrow("401 No user");
  });
});
