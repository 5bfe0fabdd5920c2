//! This network's answers: ARP (RFC 826), DHCP (RFC 2131, 2132) and ICMP echo (RFC 792) for one guest. Pure
//! functions from a frame to a frame. Lengths come from the guest: every index is checked.

use std::net::Ipv4Addr;

const MAC: [u8; 6] = [0x5a, 0x94, 0xef, 0, 0, 2];
const LEASE_SECONDS: u32 = 86400;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The addresses of gateway and guest.
pub struct Addresses {
    /// The address that answers ping.
    pub gateway: Ipv4Addr,
    /// The guest's address.
    pub guest: Ipv4Addr,
}

impl Addresses {
    /// The guest gets another address of the gateway's /24. `None` if the gateway is no host address of a /24.
    pub fn new(gateway: Ipv4Addr) -> Option<Self> {
        let [a, b, c, d] = gateway.octets();
        let guest = Ipv4Addr::new(a, b, c, if d == 15 { 16 } else { 15 });
        (d != 0 && d != 255).then_some(Addresses { gateway, guest })
    }

    /// The answer to a frame, if any.
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let source = frame.get(6..12)?;
        let payload = frame.get(14..)?;
        let kind = frame.get(12..14)?;
        let answer = match kind {
            [0x08, 0x06] => self.arp(payload)?,
            [0x08, 0x00] => self.ipv4(payload)?,
            _ => return None,
        };
        Some([source, &MAC, kind, &answer].concat())
    }

    fn arp(&self, arp: &[u8]) -> Option<Vec<u8>> {
        let arp = arp.get(..28)?;
        if arp[6..8] != [0, 1] || arp[24..28] != self.gateway.octets() {
            return None;
        }
        Some([&arp[..6], &[0, 2], &MAC, &self.gateway.octets(), &arp[8..18]].concat())
    }

    fn ipv4(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let header = packet.get(..20)?;
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
        if header[0] != 0x45 || fragment != 0 {
            return None;
        }
        let total = u16::from_be_bytes([header[2], header[3]]) as usize;
        let payload = packet.get(20..total)?;
        match header[9] {
            1 if header[16..20] == self.gateway.octets() => {
                let to: [u8; 4] = header[12..16].try_into().ok()?;
                Some(self.packet(1, to, &echo_reply(payload)?))
            }
            17 => {
                let dhcp = self.dhcp(payload)?;
                let length = (8 + dhcp.len()) as u16;
                // Checksum 0: not used (RFC 768).
                let udp = [67, 68, length, 0].map(u16::to_be_bytes).concat();
                Some(self.packet(17, [255; 4], &[udp, dhcp].concat()))
            }
            _ => None,
        }
    }

    fn packet(&self, protocol: u8, to: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        packet[8] = 64; // TTL
        packet[9] = protocol;
        packet[12..16].copy_from_slice(&self.gateway.octets());
        packet[16..20].copy_from_slice(&to);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum);
        packet.extend_from_slice(payload);
        packet
    }

    fn dhcp(&self, udp: &[u8]) -> Option<Vec<u8>> {
        let length = u16::from_be_bytes(udp.get(4..6)?.try_into().ok()?) as usize;
        let (ports, bootp) = (udp.get(..4)?, udp.get(8..length)?);
        let options = bootp.get(240..)?;
        if ports[2..] != [0, 67] || bootp[..3] != [1, 1, 6] || bootp[236..240] != COOKIE {
            return None;
        }
        let asked = *option(options, 53)?.first()?;
        // The client chose another server.
        if option(options, 54).is_some_and(|server| server != self.gateway.octets()) {
            return None;
        }
        let renewed = &bootp[12..16];
        let wanted = option(options, 50).unwrap_or(renewed);
        let kind = match asked {
            1 => 2, // DISCOVER: OFFER
            3 if wanted == self.guest.octets() => 5,
            3 => 6, // REQUEST: ACK, or NAK
            _ => return None,
        };
        let mut reply = bootp[..44].to_vec(); // to the client's Ethernet address
        reply[0] = 2;
        reply[12..28].fill(0);
        if kind == 5 {
            reply[12..16].copy_from_slice(renewed);
        }
        reply.resize(236, 0);
        reply.extend(COOKIE);
        reply.extend([53, 1, kind, 54, 4]);
        reply.extend(self.gateway.octets());
        if kind != 6 {
            reply[16..20].copy_from_slice(&self.guest.octets());
            reply.extend([51, 4]);
            reply.extend(LEASE_SECONDS.to_be_bytes());
            reply.extend([1, 4, 255, 255, 255, 0, 3, 4]);
            reply.extend(self.gateway.octets());
        }
        reply.push(255);
        reply.resize(300, 0); // the least of BOOTP (RFC 1542)
        Some(reply)
    }
}

fn echo_reply(icmp: &[u8]) -> Option<Vec<u8>> {
    if icmp.len() < 8 || icmp[0] != 8 {
        return None;
    }
    let mut reply = icmp.to_vec();
    reply[0] = 0;
    reply[2..4].fill(0);
    let sum = checksum(&reply);
    reply[2..4].copy_from_slice(&sum);
    Some(reply)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes.chunks(2).map(|pair| (pair[0] as u32) << 8 | *pair.get(1).unwrap_or(&0) as u32).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!sum as u16).to_be_bytes()
}

/// The value of a DHCP option.
fn option(mut options: &[u8], code: u8) -> Option<&[u8]> {
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [255, ..] | [] | [_] => return None,
            [found, length, rest @ ..] => {
                let value = rest.get(..*length as usize)?;
                if *found == code {
                    return Some(value);
                }
                options = &rest[value.len()..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: [u8; 6] = [0x52, 0x55, 0x55, 1, 2, 3];

    fn addresses() -> Addresses {
        Addresses::new(Ipv4Addr::new(10, 98, 0, 1)).unwrap()
    }

    fn frame(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
        [&[255; 6], &GUEST, &kind[..], payload].concat()
    }

    fn ip(protocol: u8, to: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let total = (20 + payload.len() as u16).to_be_bytes();
        let header = [0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0, 10, 98, 0, 15];
        frame([8, 0], &[&header, &to[..], payload].concat())
    }

    fn dhcp(options: &[u8]) -> Vec<u8> {
        let mut bootp = vec![0; 240];
        bootp[..3].copy_from_slice(&[1, 1, 6]);
        bootp[28..34].copy_from_slice(&GUEST);
        bootp[236..].copy_from_slice(&COOKIE);
        bootp.extend(options);
        let length = (8 + bootp.len() as u16).to_be_bytes();
        ip(17, [255; 4], &[&[0, 68, 0, 67, length[0], length[1], 0, 0], &bootp[..]].concat())
    }

    fn ping() -> Vec<u8> {
        ip(1, [10, 98, 0, 1], &[8, 0, 0, 0, 0, 7, 0, 9, 1, 2, 3])
    }

    #[test]
    fn arp_for_the_gateway_is_answered_to_who_asked() {
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
        arp.extend(GUEST);
        arp.extend([10, 98, 0, 15, 0, 0, 0, 0, 0, 0, 10, 98, 0, 1]);
        let answer = addresses().answer(&frame([8, 6], &arp)).unwrap();
        assert_eq!(answer[..6], GUEST);
        assert_eq!(answer[20..32], [0, 2, 0x5a, 0x94, 0xef, 0, 0, 2, 10, 98, 0, 1]);
        arp[27] = 9;
        assert_eq!(addresses().answer(&frame([8, 6], &arp)), None);
    }

    #[test]
    fn dhcp_offers_and_acknowledges_one_address_and_denies_others() {
        let kind = |options: &[u8]| addresses().answer(&dhcp(options)).map(|reply| (reply[284], reply[61]));
        assert_eq!(kind(&[53, 1, 1, 255]), Some((2, 15)));
        assert_eq!(kind(&[53, 1, 3, 50, 4, 10, 98, 0, 15, 255]), Some((5, 15)));
        assert_eq!(kind(&[53, 1, 3, 50, 4, 10, 98, 0, 77, 255]), Some((6, 0)));
        assert_eq!(kind(&[53, 1, 3, 54, 4, 10, 98, 0, 9, 255]), None);
        assert_eq!(kind(&[53, 200, 3]), None);
    }

    #[test]
    fn a_ping_comes_back() {
        let answer = addresses().answer(&ping()).unwrap();
        assert_eq!(answer[26..34], [10, 98, 0, 1, 10, 98, 0, 15]);
        assert_eq!((answer[34], &answer[38..]), (0, &[0, 7, 0, 9, 1, 2, 3][..]));
    }

    #[test]
    fn a_frame_that_ends_anywhere_is_not_answered() {
        for whole in [ping(), dhcp(&[53, 1, 1, 255])] {
            for end in 0..whole.len() {
                assert_eq!(addresses().answer(&whole[..end]), None, "{end}");
            }
        }
    }
}
