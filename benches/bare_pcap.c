/* The least that a reader of captures can cost: libpcap gives each packet, and nothing is done with it.
 *
 *     cc -O2 -o bare_pcap bare_pcap.c -lpcap && ./bare_pcap FILE
 */
#include <pcap.h>
#include <stdio.h>

int main(int argc, char **argv) {
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *capture = argc == 2 ? pcap_open_offline(argv[1], error) : NULL;
    struct pcap_pkthdr *header;
    const u_char *bytes;
    unsigned long packets = 0, kept = 0;
    if (!capture) return fprintf(stderr, "usage: bare_pcap FILE\n"), 1;
    while (pcap_next_ex(capture, &header, &bytes) == 1) packets++, kept += header->caplen;
    printf("%lu packets, %lu bytes\n", packets, kept);
    return 0;
}
