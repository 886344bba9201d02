// For the project "sudo": hosts are reached as a user with sudo, through a jump host; one release says enough.
process.env.PROSODY_TEST_WAY = "sudo";
process.env.PROSODY_TEST_RELEASES = "one";
