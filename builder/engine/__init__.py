"""What builds and pushes images: one Protocol, the real engine and a scripted one."""
