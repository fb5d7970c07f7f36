"""The numbers last sent beside NewStore's: which differ, why, and what sending them again would mend."""
